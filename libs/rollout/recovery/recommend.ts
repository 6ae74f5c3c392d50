import type { StepRow } from '../apply/step.store.ts';
import { type Boundary, boundaryOf } from '../apply/waves.ts';
import type { Plan } from '../lifecycle/plan.ts';

/** How a rollout that stopped goes on best. */
export type Recommendation = 'answer' | 'rerun' | 'repair' | 'rollback' | 'none';

export interface Advice {
  readonly recommendation: Recommendation;
  readonly reason: string;
  readonly boundary: Boundary;
  /** The step that keeps it, where one does. */
  readonly stuck: StepRow | undefined;
}

/**
 * Chosen from the evidence, the journal, with the narrowest boundary: what nobody knows is asked first; a step that may
 * be repeated is; what changed the world and did not pass is taken back, where there is a way.
 */
export function advise(plan: Plan, journal: readonly StepRow[], state: string): Advice {
  const applied = journal.filter(({ phase }) => phase === 'apply');
  const phase = journal.some((one) => one.phase === 'recovery') ? 'recovery' : 'apply';
  const stuck = journal.find((one) => one.phase === phase && one.state !== 'succeeded');
  const boundary = boundaryOf(plan, applied);
  const advice = (recommendation: Recommendation, reason: string): Advice => ({
    recommendation,
    reason,
    boundary,
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
  const step = stuck && [...plan.steps, ...plan.recovery.steps].find(({ name }) => name === stuck.name);
  if (step?.idempotent === true) return advice('rerun', 'the_step_may_be_repeated');
  if (boundary.done.length === 0 && boundary.partial.length === 0) return advice('rerun', 'nothing_was_done');
  return canRollBack
    ? advice('rollback', 'the_step_is_not_repeated')
    : advice('repair', 'there_is_no_way_back');
}
