import { Injectable, Logger } from '@nestjs/common';
import { Database, type SystemTx } from '#database';
import { type Fault, newId } from '#kernel';
import { bySystem } from '../audit-event.ts';
import { Audit } from '../audit.ts';
import { AuditFault } from '../audit.faults.ts';
import { endFindings, insertFinding, type KeptFinding, readStanding } from './finding.store.ts';
import type { Finding } from './log-check.ts';

/** Ended in one transaction; what is beyond ends at the next run. */
const MOST = 1_000;

/**
 * What was found in a log that the product did not write: kept, recorded in that same log (which still grows), and
 * told to the operators. While one stands, no checkpoint of the log is signed. It ends when all of the log was verified
 * anew and it was not found again, or, where it is a fork, when an operator acknowledges that.
 */
@Injectable()
export class Findings {
  readonly #logger = new Logger('audit');

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  /** Keeps it, once; and answers the fault that says it. */
  async keep(orgId: string, finding: Finding): Promise<Fault> {
    await this.database.acrossOrgs('audit_tree', (tx) => this.keepIn(tx, orgId, finding));
    return this.faultOf(orgId, finding);
  }

  async keepIn(tx: SystemTx, orgId: string, finding: Finding): Promise<void> {
    const { kind, pos, detail } = finding;
    const id = newId();
    if (!(await insertFinding(tx, orgId, id, finding))) return;
    this.#logger.error(
      `the audit log of organization ${orgId} is not what was written: ${kind} at position ${pos} ` +
        `${JSON.stringify(detail)}; no checkpoint of it is signed any more`,
    );
    await this.audit.record(tx, {
      orgId,
      actor: { type: 'system', id: 'audit' },
      action: kind === 'fork' ? 'audit.fork_detected' : 'audit.alteration_found',
      target: { type: 'audit_log', id: orgId },
      outcome: 'failure',
      reason: kind,
      request: { id, method: 'JOB', route: 'audit' },
      changes: { pos: { to: pos } },
    });
  }

  /** The first that stands against a log, as a fault; undefined where none does. */
  async standing(tx: SystemTx, orgId: string): Promise<Fault | undefined> {
    const [finding] = await readStanding(tx, orgId, 1);
    return finding && this.faultOf(orgId, finding);
  }

  /** What a verification of all of the log may end; a fork ends otherwise. */
  async open(orgId: string): Promise<KeptFinding[]> {
    const standing = await this.database.acrossOrgs('audit_tree', (tx) => readStanding(tx, orgId, MOST));
    return standing.filter(({ kind }) => kind !== 'fork');
  }

  /** Ends these, for all of the log was verified since they were found: each with a record. */
  async end(orgId: string, found: readonly KeptFinding[]): Promise<void> {
    await this.database.acrossOrgs('audit_tree', async (tx) => {
      const ids = found.map(({ id }) => id);
      for (const { id, kind, pos } of await endFindings(tx, orgId, ids)) {
        this.#logger.log(
          `the audit log of organization ${orgId} is as it was written again: ${kind} at ${pos}`,
        );
        await this.audit.record(tx, {
          ...bySystem('audit'),
          orgId,
          action: 'audit.alteration_resolved',
          target: { type: 'audit_log', id: orgId },
          outcome: 'success',
          changes: { finding: { to: id }, kind: { to: kind }, pos: { to: pos } },
        });
      }
    });
  }

  faultOf(orgId: string, { kind, pos, detail }: Finding): Fault {
    const make = kind === 'fork' ? AuditFault.fork_detected : AuditFault.log_altered;
    return make({ data: { kind, pos, ...detail }, detail: `organization ${orgId}: ${kind} at ${pos}` });
  }
}
