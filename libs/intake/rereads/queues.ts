import { JobQueue } from '#jobs';

/** One accepted delivery: what it speaks of is read from Gitea. A Gitea that is away is asked for about an hour. */
export const rereadQueue = new JobQueue<{ orgId: string; deliveryId: string }>('gitea_reread', {
  retries: 10,
  firstDelay: 2,
  longestDelay: 900,
  within: 120,
  concurrency: 2,
});

/** All of a hook's repositories. With the line in the list of deliveries where somebody asked for it. */
export const reconcileQueue = new JobQueue<{ orgId: string; hookId: string; deliveryId?: string }>(
  'gitea_reconcile',
  { retries: 3, firstDelay: 10, longestDelay: 300, within: 600, concurrency: 1 },
);

/** Adds one of those for every hook. */
export const sweepQueue = new JobQueue<undefined>('gitea_sweep', {
  retries: 1,
  firstDelay: 30,
  longestDelay: 60,
  within: 300,
  concurrency: 1,
  cron: '*/10 * * * *',
});
