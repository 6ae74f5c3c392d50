import { Injectable } from '@nestjs/common';
import { type OrgTx, type SystemTx } from '#database';
import { type Caller, Clock } from '#kernel';
import { actorOf, type AuditEntry, sealEvent } from './audit-event.ts';
import { insertEvent, insertEvents } from './audit.store.ts';
import { OutcomeCounts } from './outcome-counts.ts';
import { RecordFollower } from './record-follower.ts';

/** What a use case says of what it did; who, where and when come from the caller and the clock. */
export type AuditNote = Pick<AuditEntry, 'action' | 'target' | 'changes' | 'reason'> & {
  readonly outcome?: AuditEntry['outcome'];
};

/** Records in one statement; one is about a kilobyte. */
const AT_ONCE = 1_000;

/** Appends to the audit log in the transaction of the change. Without it a change does not commit. */
@Injectable()
export class Audit {
  constructor(
    private readonly clock: Clock,
    private readonly follower: RecordFollower,
    private readonly counts: OutcomeCounts,
  ) {}

  /** Records what a caller did in their organization. */
  async append(tx: OrgTx | SystemTx, caller: Caller, note: AuditNote): Promise<void> {
    await this.record(tx, entryOf(caller, note));
  }

  /** The same for what was done to many things at once, in the order given. */
  async appendAll(tx: OrgTx | SystemTx, caller: Caller, notes: readonly AuditNote[]): Promise<void> {
    const now = this.clock.now();
    for (let at = 0; at < notes.length; at += AT_ONCE) {
      const events = notes.slice(at, at + AT_ONCE).map((note) => ({
        action: note.action,
        ...sealEvent(entryOf(caller, note), now),
      }));
      await insertEvents(tx, events);
      await this.follower.recorded(tx, events);
    }
  }

  /** Records an event of any organization, for actors that are no callers (yet). */
  async record(tx: OrgTx | SystemTx, entry: AuditEntry): Promise<void> {
    const event = { action: entry.action, ...sealEvent(entry, this.clock.now()) };
    await insertEvent(tx, event);
    await this.follower.recorded(tx, [event]);
    this.counts.recorded(entry.action, entry.outcome);
  }
}

function entryOf(caller: Caller, note: AuditNote): AuditEntry {
  return {
    ...note,
    orgId: caller.org.id,
    actor: actorOf(caller),
    outcome: note.outcome ?? 'success',
    request: caller.request,
  };
}
