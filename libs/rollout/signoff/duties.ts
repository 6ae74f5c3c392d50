/** Separation of duties: which two duties no one human may have in one rollout. */

export const duties = ['author', 'evidence_producer', 'approver', 'executor', 'verifier'] as const;
export type Duty = (typeof duties)[number];
export type Pair = readonly [Duty, Duty];

/** Not for any policy to lift: nobody approves their own change. */
export const always: readonly Pair[] = [['author', 'approver']];

/** The humans who have each duty so far. */
export type Holders = { readonly [D in Duty]?: ReadonlySet<string> };

/** The duties that keep `person` from taking on `duty`. */
export function conflicts(person: string, duty: Duty, holders: Holders, pairs: readonly Pair[]): Duty[] {
  const others = [...always, ...pairs].flatMap(([a, b]) => (a === duty ? [b] : b === duty ? [a] : []));
  return [...new Set(others)].filter((other) => holders[other]?.has(person) === true);
}
