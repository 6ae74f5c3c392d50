import type { StepRow } from '../apply/step.store.ts';
import { type Boundary, holdingsOf, recoveryUnits, unitsOf } from '../apply/waves.ts';
import type { Plan } from '../lifecycle/plan.ts';

/** How a rollout that stopped goes on best. */
export type Recommendation = 'answer' | 'rerun' | 'repair' | 'rollback' | 'none';

export interface Advice {
  readonly recommendation: Recommendation;
  readonly reason: string;
  /** Which target holds which version now. */
  readonly holdings: Boundary;
  /** What a rollback has to take back at least, in the order of the plan. */
  readonly narrowest: readonly string[];
  /** The step that keeps it, where one does. */
  readonly stuck: StepRow | undefined;
}

/**
 * Chosen from the evidence, the journal, with the narrowest boundary: what nobody knows is asked first; a step that may
 * be repeated is; what changed the world and did not pass is taken back, where there is a way.
 */
export function advise(plan: Plan, journal: readonly StepRow[], state: string): Advice {
  const phase = journal.some((one) => one.phase === 'recovery') ? 'recovery' : 'apply';
  const stuck = journal.find((one) => one.phase === phase && one.state !== 'succeeded');
  const holdings = holdingsOf(plan, journal);
  const advice = (recommendation: Recommendation, reason: string): Advice => ({
    recommendation,
    reason,
    holdings,
    narrowest: narrowestOf(plan, holdings, phase === 'apply' ? stuck : undefined),
    stuck,
  });
  if (!['failed_needs_operator', 'suspended'].includes(state)) return advice('none', 'nothing_stands_still');
  if (stuck?.state === 'unknown') return advice('answer', 'nobody_knows_whether_it_happened');
  const canRollBack = plan.recovery.kind !== 'irreversible';
  const isCheck = stuck !== undefined && stuck.target_id === null;
  if (isCheck) {
    return canRollBack
      ? advice('rollback', 'what_was_done_does_not_pass_its_check')
      : advice('repair', 'there_is_no_way_back');
  }
  const units = phase === 'apply' ? unitsOf(plan) : recoveryUnits(plan);
  if (stuck && units[stuck.unit]?.step.idempotent === true)
    return advice('rerun', 'the_step_may_be_repeated');
  if (holdings.done.length === 0 && holdings.partial.length === 0) return advice('rerun', 'nothing_was_done');
  return canRollBack
    ? advice('rollback', 'the_step_is_not_repeated')
    : advice('repair', 'there_is_no_way_back');
}

/** A step that failed: its target, between two versions. A check: the wave it is of. Otherwise everything not yet back. */
function narrowestOf(plan: Plan, { done, partial }: Boundary, stuck: StepRow | undefined): readonly string[] {
  const order = plan.waves.flatMap(({ targets }) => targets);
  const touched = order.filter((id) => done.includes(id) || partial.includes(id));
  if (stuck === undefined) return touched;
  const within = stuck.target_id === null ? (plan.waves[stuck.wave]?.targets ?? []) : partial;
  return touched.filter((id) => within.includes(id));
}
