import type { Plan, PlannedStep } from '../lifecycle/plan.ts';

/** The order in which a plan is carried out: wave by wave, target by target, step by step; then the wave's checks. */

export type Unit =
  | { readonly kind: 'step'; readonly wave: number; readonly target: string; readonly step: PlannedStep }
  | { readonly kind: 'check'; readonly wave: number; readonly step: PlannedStep };

/** Everything a plan does, in order; the index is a unit's number in the journal. */
export function unitsOf(plan: Pick<Plan, 'waves' | 'steps'>): Unit[] {
  return plan.waves.flatMap(({ targets, checks }, wave) => [
    ...targets.flatMap((target) => plan.steps.map((step): Unit => ({ kind: 'step', wave, target, step }))),
    ...checks.map((step): Unit => ({ kind: 'check', wave, step })),
  ]);
}

/**
 * The same for the way back of every target, last first. Whatever part of it is gone, a unit has the same number, so
 * that a rollback that stopped may go further later.
 */
export function recoveryUnits(plan: Pick<Plan, 'waves' | 'recovery'>): Unit[] {
  return plan.waves
    .flatMap(({ targets }) => targets)
    .toReversed()
    .flatMap((target) => plan.recovery.steps.map((step): Unit => ({ kind: 'step', wave: 0, target, step })));
}

interface Entry {
  readonly phase: 'apply' | 'recovery';
  readonly unit: number;
  readonly state: string;
}

/** The targets that anything was begun on, in the order of the plan. */
export function touchedOf(plan: Pick<Plan, 'waves' | 'steps'>, journal: readonly Entry[]): string[] {
  const { untouched } = boundaryOf(
    plan,
    journal.filter(({ phase }) => phase === 'apply'),
  );
  return plan.waves.flatMap(({ targets }) => targets).filter((id) => !untouched.includes(id));
}

/** What each target holds after both ways: the way back, once begun, says more than the way there. */
export function holdingsOf(
  plan: Pick<Plan, 'waves' | 'steps' | 'recovery'>,
  journal: readonly Entry[],
): Boundary {
  const { done, partial, untouched } = boundaryOf(
    plan,
    journal.filter(({ phase }) => phase === 'apply'),
  );
  const back = boundaryOfUnits(
    recoveryUnits(plan),
    journal.filter(({ phase }) => phase === 'recovery'),
  );
  const isNotOnWayBack = (id: string): boolean => ![...back.done, ...back.partial].includes(id);
  return {
    done: done.filter(isNotOnWayBack),
    partial: [...back.partial, ...partial.filter(isNotOnWayBack)],
    untouched: [...untouched.filter(isNotOnWayBack), ...back.done],
  };
}

/** What is wrong with the waves of a plan: each target is in exactly one. */
export function waveFaults(
  waves: readonly { targets: readonly string[] }[],
  targets: readonly string[],
): string[] {
  const named = waves.flatMap((wave) => wave.targets);
  return [
    ...targets.filter((id) => !named.includes(id)).map((id) => `the target ${id} is in no wave`),
    ...named
      .filter((id, index) => named.indexOf(id) !== index)
      .map((id) => `the target ${id} is in more than one wave`),
    ...named.filter((id) => !targets.includes(id)).map((id) => `${id} is no target of the plan`),
  ];
}

/** Which targets hold the new version, which are between versions, and which hold the one before. */
export interface Boundary {
  readonly done: readonly string[];
  readonly partial: readonly string[];
  readonly untouched: readonly string[];
}

/** From the steps that ended well or began, by target. */
export function boundaryOf(
  plan: Pick<Plan, 'waves' | 'steps'>,
  journal: readonly { readonly unit: number; readonly state: string }[],
): Boundary {
  return boundaryOfUnits(unitsOf(plan), journal);
}

function boundaryOfUnits(
  units: readonly Unit[],
  journal: readonly { readonly unit: number; readonly state: string }[],
): Boundary {
  const states = new Map(journal.map(({ unit, state }) => [unit, state]));
  const byTarget = new Map<string, (string | undefined)[]>();
  for (const [index, unit] of units.entries()) {
    if (unit.kind === 'step')
      byTarget.set(unit.target, [...(byTarget.get(unit.target) ?? []), states.get(index)]);
  }
  const pick = (test: (seen: (string | undefined)[]) => boolean): string[] =>
    [...byTarget].filter(([, seen]) => test(seen)).map(([target]) => target);
  const isDone = (seen: (string | undefined)[]): boolean => seen.every((state) => state === 'succeeded');
  const isUntouched = (seen: (string | undefined)[]): boolean => seen.every((state) => state === undefined);
  return {
    done: pick((seen) => isDone(seen) && !isUntouched(seen)),
    partial: pick((seen) => !isDone(seen) && !isUntouched(seen)),
    untouched: pick(isUntouched),
  };
}
