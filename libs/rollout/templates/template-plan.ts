/** What stands for the commit in a template. A commit is hexadecimal, so that nothing else comes in by it. */
const PLACE = '{commit}';

/** The plan of a template for one commit: every text in the arguments of its steps with the commit put in. */
export function withCommit(plan: object, commit: string): object {
  return filled(plan, commit, false) as object;
}

function filled(value: unknown, commit: string, within: boolean): unknown {
  if (typeof value === 'string') return within ? value.replaceAll(PLACE, commit) : value;
  if (Array.isArray(value)) return value.map((one) => filled(one, commit, within));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, filled(one, commit, within || name === 'arguments')]),
  );
}
