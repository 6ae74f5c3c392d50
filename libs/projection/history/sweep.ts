import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { Database } from '#database';
import { HandlesJob, type JobFacts, JobQueue } from '#jobs';
import { Clock } from '#kernel';
import { OwnSurfaces, withRecorded } from '../reading/own-surfaces.ts';
import { isMyTurn, lockExpired, readSubjects } from './projection.store.ts';
import { Recorder } from './recorder.ts';

const sweepQueue = new JobQueue<undefined>('projection_sweep', {
  retries: 0,
  firstDelay: 1,
  longestDelay: 1,
  within: 50,
  concurrency: 1,
  cron: '* * * * *',
});

const AT_ONCE = 200;

/** Records what time made of verdicts, and what the deployment is itself. No reader waits for it. */
@Injectable()
export class Sweep {
  constructor(
    private readonly database: Database,
    private readonly recorder: Recorder,
    private readonly own: OwnSurfaces,
    private readonly clock: Clock,
  ) {}

  @HandlesJob(sweepQueue)
  @Unattended('it records what every reader can compute, and decides nothing')
  async run(_data: undefined, _job: JobFacts): Promise<void> {
    await this.recordExpired();
    await this.recordOwn();
  }

  async recordExpired(): Promise<void> {
    for (;;) {
      const found = await this.database.acrossOrgs('projection_sweep', async (tx) => {
        const ids = await lockExpired(tx, this.clock.now().toISOString(), AT_ONCE);
        const recorded = await this.recorder.observe(tx, await readSubjects(tx, ids), { type: 'expiry' });
        return ids.length === AT_ONCE && recorded > 0;
      });
      if (!found) return;
    }
  }

  async recordOwn(): Promise<void> {
    const own = await this.own.all();
    await this.database.acrossOrgs('projection_sweep', async (tx) => {
      if (own.length === 0 || !(await isMyTurn(tx))) return;
      const orgId = own[0]?.orgId ?? '';
      const subjects = await withRecorded(tx, orgId, own);
      await this.recorder.observe(tx, subjects, { type: 'observation' });
    });
  }
}
