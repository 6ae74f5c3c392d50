import { RolloutFault } from '../rollout.faults.ts';
import type { Effect, Plan, PlannedStep } from './plan.ts';

/**
 * What is never automated unconditionally. Two classes of steps are none of a rollout's business at all: no gate,
 * no quorum and no break-glass lets them run. Destruction on hosts may run only as what it is: irreversible, with
 * the gates of that.
 */
export type Forbidden = 'secret_provisioning' | 'business_action' | 'destruction_unmarked';

export function forbiddenClass(step: Pick<PlannedStep, 'effect' | 'irreversible'>): Forbidden | undefined {
  const never: Partial<Record<Effect, Forbidden>> = {
    secret_provisioning_from_repository: 'secret_provisioning',
    business_action: 'business_action',
  };
  if (step.effect === 'host_destruction' && !step.irreversible) return 'destruction_unmarked';
  return never[step.effect];
}

const FAULTS: Readonly<Record<Forbidden, () => Error>> = {
  secret_provisioning: () => RolloutFault.forbidden_secret_provisioning(),
  business_action: () => RolloutFault.forbidden_business_action(),
  destruction_unmarked: () => RolloutFault.forbidden_destruction(),
};

/** Faults: `rollout.forbidden_*`. */
export function requireAllowed(steps: readonly Pick<PlannedStep, 'effect' | 'irreversible'>[]): void {
  for (const step of steps) {
    const forbidden = forbiddenClass(step);
    if (forbidden) throw FAULTS[forbidden]();
  }
}

/** Everything that a plan does, checks and the way back too. */
export function stepsOf(plan: Pick<Plan, 'steps' | 'waves' | 'recovery'>): PlannedStep[] {
  return [...plan.steps, ...plan.waves.flatMap(({ checks }) => checks), ...plan.recovery.steps];
}

const RANK: Readonly<Record<Effect, number>> = {
  none: 0,
  host_change: 1,
  host_destruction: 2,
  business_action: 3,
  secret_provisioning_from_repository: 3,
};

/** The graver of what a command is known to do and what the author says the step does. */
export function graver(known: Effect, said: Effect): Effect {
  return RANK[said] > RANK[known] ? said : known;
}
