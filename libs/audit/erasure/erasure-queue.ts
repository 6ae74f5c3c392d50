import { JobQueue } from '#jobs';

export interface ErasureJob {
  readonly orgId: string;
  readonly erasureId: string;
  /** The person's addresses as the log says them, in small letters; absent until they are known. */
  readonly addresses?: string[];
}

/** A job may be cut off anywhere and goes on where the last batch was committed. */
export const erasureQueue = new JobQueue<ErasureJob>('audit-erasure', {
  retries: 20,
  firstDelay: 5,
  longestDelay: 3_600,
  within: 3_600,
  concurrency: 1,
});

/** An erasure from all logs: of the log that it was asked for in, the platform's. */
export interface EverywhereJob {
  readonly orgId: string;
  readonly erasureId: string;
}

/** It reads every log twice, and asks for nothing twice. */
export const everywhereQueue = new JobQueue<EverywhereJob>('audit-erasure-everywhere', {
  retries: 20,
  firstDelay: 5,
  longestDelay: 3_600,
  within: 6 * 3_600,
  concurrency: 1,
});
