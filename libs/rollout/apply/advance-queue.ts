import { JobQueue } from '#jobs';

export interface AdvanceJob {
  readonly orgId: string;
  readonly rolloutId: string;
}

/** Longest that one step may take. */
export const STEP_SECONDS = 60;

/**
 * One job is one step: it commits with what made it due, and brings the next one. A job whose worker died comes back
 * after some twenty seconds without a sign of life.
 */
export const advanceQueue = new JobQueue<AdvanceJob>('rollout_advance', {
  retries: 50,
  firstDelay: 1,
  longestDelay: 30,
  within: STEP_SECONDS + 60,
  concurrency: 10,
});
