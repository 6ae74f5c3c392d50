import { Injectable, Logger } from '@nestjs/common';
import { Unattended } from '#access';
import { Database } from '#database';
import { HandlesJob, type JobFacts, JobQueue } from '#jobs';
import { type Caller, Clock, Fault } from '#kernel';
import { bySystem } from '../audit-event.ts';
import { Audit } from '../audit.ts';
import { everyLog, type LogHead } from '../checkpoint/checkpoint.store.ts';
import { Checkpoints } from '../checkpoint/checkpoints.ts';
import { Findings } from '../tree/findings.ts';
import { OrgTrees } from '../tree/org-trees.ts';
import { WIDTH } from '../tree/tiles.ts';
import type { VerificationView } from './verification.contract.ts';
import {
  hasFindings,
  readEmptied,
  readFindings,
  readLastVerified,
  readResolved,
} from './verification.store.ts';

const SHOWN = 100;

/** Every hour; a run that fails is tried again within it. */
const verificationQueue = new JobQueue<undefined>('audit_verification', {
  retries: 2,
  firstDelay: 60,
  longestDelay: 600,
  within: 3_500,
  concurrency: 1,
  cron: '17 * * * *',
});

/**
 * Verifies every log from within, every hour: each event's bytes against its hash, each position against the one before,
 * the tiles against both, the whole against the checkpoints issued and anchored. What was verified is not read again
 * until the next day (UTC), when the first run reads all, or while something stands against the log. It leaves a record in the log, which tells how far it came.
 */
@Injectable()
export class LogVerification {
  readonly #logger = new Logger('audit');

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly checkpoints: Checkpoints,
    private readonly trees: OrgTrees,
    private readonly findings: Findings,
    private readonly clock: Clock,
  ) {}

  @HandlesJob(verificationQueue)
  @Unattended('it only reads the logs, and adds to each that it did')
  async verifyAll(_data: undefined, _job: JobFacts): Promise<void> {
    // Of what is gone whole nobody asks by its positions.
    const emptied = await this.database.acrossOrgs('audit_verification', readEmptied);
    for (const orgId of emptied) await this.#alerting(orgId, () => this.checkpoints.compare(orgId));
    for await (const head of everyLog(this.database, 'audit_verification')) {
      await this.#alerting(head.orgId, () => this.#verify(head));
    }
  }

  /** What is known of the caller's log. */
  async posture(caller: Caller): Promise<VerificationView> {
    return this.database.inOrg(caller, async (tx) => {
      const last = await readLastVerified(tx, caller.org.id, this.clock.now());
      const found = await readFindings(tx, SHOWN);
      const resolved = await readResolved(tx, SHOWN);
      return {
        verifiedUpTo: last?.upTo ?? 0,
        ...(last && { at: last.at }),
        problems: found.map((one) => ({ ...one, foundAt: one.foundAt.toISOString() })),
        resolved: resolved.map((one) => ({
          ...one,
          foundAt: one.foundAt.toISOString(),
          resolvedAt: one.resolvedAt.toISOString(),
        })),
      };
    });
  }

  /** False while something stands against any log. */
  async isSound(): Promise<boolean> {
    return !(await this.database.acrossOrgs('audit_verification', hasFindings));
  }

  /** What is wrong with one log does not keep the others; an outage ends the run. */
  async #alerting(orgId: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Fault) || !error.code.startsWith('audit.')) throw error;
      // At every run, for as long as it stands.
      this.#logger.error(`the audit log cannot be verified: ${error.code}, ${error.detail ?? orgId}`);
    }
  }

  async #verify({ orgId, size }: LogHead): Promise<void> {
    const now = this.clock.now();
    const last = await this.database.acrossOrgs('audit_verification', (tx) =>
      readLastVerified(tx, orgId, now),
    );
    const isFirstToday = last?.at.slice(0, 10) !== now.toISOString().slice(0, 10);
    const open = await this.findings.open(orgId);
    // What was found ends only when all was read again and it was not found.
    const from = last === undefined || isFirstToday || open.length > 0 ? 0 : last.upTo;
    // Nothing came since but the record of the last verification.
    if (from > 0 && size <= from + 1) return;
    await this.checkpoints.compare(orgId);
    await this.trees.extend(orgId);
    for (let tile: number | undefined = Math.floor(from / WIDTH); tile !== undefined;) {
      tile = await this.trees.check(orgId, tile);
    }
    const upTo = await this.trees.checkTail(orgId);
    if (open.length > 0) await this.findings.end(orgId, open);
    await this.database.acrossOrgs('audit_verification', async (tx) => {
      const standing = await this.findings.standing(tx, orgId);
      if (standing) throw standing;
      await this.audit.record(tx, {
        ...bySystem('audit'),
        orgId,
        action: 'audit.verified',
        target: { type: 'audit_log', id: orgId },
        outcome: 'success',
        changes: { from: { to: from + 1 }, upTo: { to: upTo } },
      });
    });
  }
}
