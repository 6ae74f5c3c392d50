import { JobQueue } from '#jobs';

/** What the server holds of an organization that is gone. Goes on for days where the server is away. */
export const erasureQueue = new JobQueue<{ orgId: string }>('vault_erasure', {
  retries: 60,
  firstDelay: 10,
  longestDelay: 3_600,
  within: 600,
  concurrency: 1,
});

/** Every minute, changes that processes left behind. */
export const settlingQueue = new JobQueue<undefined>('vault_settling', {
  retries: 0,
  firstDelay: 1,
  longestDelay: 1,
  within: 300,
  concurrency: 1,
  cron: '* * * * *',
});
