import { Injectable, Logger } from '@nestjs/common';
import { Database, type SystemTx } from '#database';
import { type Fault, newId } from '#kernel';
import { Audit } from '../audit.ts';
import { AuditFault } from '../audit.faults.ts';
import { insertFinding, readFinding } from './finding.store.ts';
import type { Finding } from './log-check.ts';

/**
 * What was found in a log that the product did not write: kept, recorded in that same log (which still grows), and
 * told to the operators. While one stands, no checkpoint of the log is signed.
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
    const finding = await readFinding(tx, orgId);
    return finding && this.faultOf(orgId, finding);
  }

  faultOf(orgId: string, { kind, pos, detail }: Finding): Fault {
    const make = kind === 'fork' ? AuditFault.fork_detected : AuditFault.log_altered;
    return make({ data: { kind, pos, ...detail }, detail: `organization ${orgId}: ${kind} at ${pos}` });
  }
}
