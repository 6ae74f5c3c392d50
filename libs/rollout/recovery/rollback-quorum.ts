import { hasIrreversible, isIrreversible } from '../lifecycle/plan.ts';
import type { PlannedRow } from '../lifecycle/rollout.store.ts';
import type { Quorum } from '../signoff/quorum.ts';

/** What stopped half done may be taken back as it was signed for a day, or for the window of the plan if that is longer. */
export const STOPPED_MS = 86_400_000;

/**
 * Who has to sign a rollback; undefined where nobody has to any more. What is half done, or not verified yet, is taken
 * back by what was signed with the plan: the way back is part of its digest. Once completed, the quorum that was signed
 * with the plan for that suffices within the window of the plan. After each, everybody who had to sign the change. `since`
 * is when it came into its state; unknown is long ago.
 */
export function rollbackQuorum(
  { state, plan, completed_at: completedAt }: Pick<PlannedRow, 'state' | 'plan' | 'completed_at'>,
  since: Date | undefined,
  now: Date,
): Quorum | undefined {
  const { rules } = plan.policy;
  const windowMs = plan.recovery.windowSeconds * 1000;
  const isWithin = (from: Date | null | undefined, ms: number): boolean =>
    from !== null && from !== undefined && now.getTime() < from.getTime() + ms;
  const whole = isIrreversible(plan) ? rules.irreversibleQuorum : rules.quorum;
  if (state === 'executing') return undefined;
  if (state !== 'completed') return isWithin(since, Math.max(STOPPED_MS, windowMs)) ? undefined : whole;
  // No smaller quorum lets irreversible steps run.
  return isWithin(completedAt, windowMs) && !hasIrreversible(plan.recovery.steps)
    ? rules.rollbackQuorum
    : whole;
}
