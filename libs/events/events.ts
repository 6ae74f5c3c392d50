import { Injectable } from '@nestjs/common';
import { type AuditRecord, RecordFollower } from '#audit';
import type { OrgTx, SystemTx } from '#database';
import { Clock, newId } from '#kernel';
import { eventBody, eventOfRecord, type NewEvent } from './event.ts';
import { insertEvents } from './event.store.ts';
import { publishedAs } from './event-types.ts';

/** Events in one statement; one is about half a kilobyte. */
const AT_ONCE = 1_000;

/**
 * The outbox: an event commits with the change it speaks of, or not at all. What is in the map of event types by an
 * audit action is published by that record itself; `publish` is for whoever has more to say.
 */
@Injectable()
export class Events extends RecordFollower {
  constructor(private readonly clock: Clock) {
    super();
  }

  /** Publishes in the transaction of the change; the database asks for an audit record beside it. */
  async publish(tx: OrgTx | SystemTx, ...events: readonly NewEvent[]): Promise<void> {
    const now = this.clock.now();
    const stored = events.map((event) => {
      const id = newId();
      return { orgId: event.orgId, id, type: event.type, body: eventBody(event, id, now) };
    });
    for (let at = 0; at < stored.length; at += AT_ONCE) {
      await insertEvents(tx, stored.slice(at, at + AT_ONCE));
    }
  }

  override async recorded(tx: OrgTx | SystemTx, records: readonly AuditRecord[]): Promise<void> {
    const events = records.flatMap(({ action, leaf }) => {
      const event = publishedAs.has(action) ? eventOfRecord(leaf) : undefined;
      return event ? [event] : [];
    });
    if (events.length > 0) await this.publish(tx, ...events);
  }
}
