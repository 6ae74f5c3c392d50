import { Injectable, Logger } from '@nestjs/common';
import { Unattended } from '#access';
import { Database, type SystemTx } from '#database';
import { HandlesJob, JobQueue } from '#jobs';
import { bySystem } from '../audit-event.ts';
import { Audit } from '../audit.ts';
import { Findings } from '../tree/findings.ts';
import { BEGINNING, checkLogged } from '../tree/log-check.ts';
import { readHashes, readLogged } from '../tree/tree.store.ts';
import { prune, readDue, readHold, readPrunedUpTo } from './retention.store.ts';

/** Looks every hour for what organizations keep no longer. */
const pruningQueue = new JobQueue<undefined>('audit-pruning', {
  retries: 3,
  firstDelay: 60,
  longestDelay: 600,
  within: 3_000,
  concurrency: 1,
  cron: '23 * * * *',
});

/** Positions in one transaction. */
const BATCH = 5_000;

/**
 * Seals the beginning of logs: its events are dropped, its hashes, tiles and checkpoints stay. What goes is hashed
 * once more before, for afterwards nobody can tell whether it was what had been written.
 */
@Injectable()
export class Pruning {
  readonly #logger = new Logger('audit');

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly findings: Findings,
  ) {}

  @HandlesJob(pruningQueue)
  @Unattended(
    'only what an organization’s own policy lets go, which the database asks again; it answers nothing',
  )
  async run(): Promise<void> {
    let failure: { error: unknown } | undefined;
    for (const due of await this.database.acrossOrgs('audit_retention', readDue)) {
      try {
        for (let more = true; more;) {
          more = await this.database.acrossOrgs('audit_retention', (tx) => this.#step(tx, due));
        }
      } catch (error) {
        // What is wrong with one log does not keep the others.
        this.#logger.error(error);
        failure = { error };
      }
    }
    if (failure) throw failure.error;
  }

  /** One batch, with its record; whether there is more. Of a log that is not what was written nothing goes. */
  async #step(
    tx: SystemTx,
    { orgId, days, upTo }: { orgId: string; days: number; upTo: number },
  ): Promise<boolean> {
    if ((await readHold(tx, orgId)) || (await this.findings.standing(tx, orgId))) return false;
    const after = await readPrunedUpTo(tx, orgId);
    const to = Math.min(after + BATCH, upTo);
    if (to <= after) return false;
    const leaves = [{ level: 0, first: after - 1, count: 1 }];
    const [last] = after === 0 ? [] : await readHashes(tx, orgId, { leaves });
    const rows = await readLogged(tx, orgId, after, to);
    const checked = checkLogged(rows, after + 1, to - after, last?.hash ?? BEGINNING);
    if ('finding' in checked) {
      await this.findings.keepIn(tx, orgId, checked.finding);
      return false;
    }
    await this.audit.record(tx, {
      ...bySystem('audit', pruningQueue.name),
      orgId,
      action: 'audit.pruned',
      target: { type: 'audit_log', id: orgId },
      outcome: 'success',
      changes: { after: { to: after }, upTo: { to }, retentionDays: { to: days } },
    });
    await prune(tx, orgId, to);
    return to < upTo;
  }
}
