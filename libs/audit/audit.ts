import { Injectable } from '@nestjs/common';
import { type OrgTx, type SystemTx } from '#database';
import { type Caller, Clock } from '#kernel';
import { actorOf, type AuditEntry, sealEvent } from './audit-event.ts';
import { insertEvent } from './audit.store.ts';

/** What a use case says of what it did; who, where and when come from the caller and the clock. */
export type AuditNote = Pick<AuditEntry, 'action' | 'target' | 'changes' | 'reason'> & {
  readonly outcome?: AuditEntry['outcome'];
};

/** Appends to the audit log in the transaction of the change. Without it a change does not commit. */
@Injectable()
export class Audit {
  constructor(private readonly clock: Clock) {}

  /** Records what a caller did in their organization. */
  async append(tx: OrgTx | SystemTx, caller: Caller, note: AuditNote): Promise<void> {
    await this.record(tx, {
      ...note,
      orgId: caller.org.id,
      actor: actorOf(caller),
      outcome: note.outcome ?? 'success',
      request: caller.request,
    });
  }

  /** Records an event of any organization, for actors that are no callers (yet). */
  async record(tx: OrgTx | SystemTx, entry: AuditEntry): Promise<void> {
    await insertEvent(tx, sealEvent(entry, this.clock.now()));
  }
}
