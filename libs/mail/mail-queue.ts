import { JobQueue } from '#jobs';
import type { MailMessage } from './templates.ts';

/**
 * Waits 5 s after the first failure, twice as long after each further one, an hour at most: at least a day in all.
 * mail.settings.spec.ts adds them up.
 */
export const mailQueue = new JobQueue<MailMessage & { readonly at: string }>('mail', {
  retries: 36,
  firstDelay: 5,
  longestDelay: 3_600,
  within: 120,
  concurrency: 2,
});
