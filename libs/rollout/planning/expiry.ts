import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { HandlesJob, JobQueue } from '#jobs';
import { Rollouts } from './rollouts.ts';

/** Every five minutes; whoever asks earlier finds the expiry too. */
const expiryQueue = new JobQueue<undefined>('rollout_expiry', {
  retries: 1,
  firstDelay: 5,
  longestDelay: 10,
  within: 50,
  concurrency: 1,
  cron: '*/5 * * * *',
});

/** Ends reviews and approvals whose time is over. */
@Injectable()
export class Expiry {
  constructor(private readonly rollouts: Rollouts) {}

  @HandlesJob(expiryQueue)
  @Unattended('it only ends what has expired, and says so in each log')
  async run(): Promise<void> {
    await this.rollouts.expire();
  }
}
