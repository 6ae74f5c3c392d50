import { JobQueue } from '#jobs';

export interface RotationJob {
  readonly orgId: string;
  readonly runId: string;
}

/** One rotation; done again where a process died in the middle of it. Waits up to 37 minutes in all. */
export const rotationQueue = new JobQueue<RotationJob>('secret-rotation', {
  retries: 8,
  firstDelay: 10,
  longestDelay: 600,
  within: 60,
  concurrency: 2,
});

/** Looks for what is due. */
export const dueQueue = new JobQueue<undefined>('secret-rotations-due', {
  retries: 0,
  firstDelay: 10,
  longestDelay: 10,
  within: 55,
  concurrency: 1,
  cron: '* * * * *',
});
