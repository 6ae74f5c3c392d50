import type { OrgTx, SystemTx } from '#database';

export interface StoredEvent {
  readonly orgId: string;
  readonly id: string;
  readonly type: string;
  readonly body: string;
}

/** Writes to the outbox, in this order, with the next statement. */
export function insertEvents(tx: OrgTx | SystemTx, events: readonly StoredEvent[]): Promise<void> {
  return tx.withNext(
    'insert_events',
    `INSERT INTO events (org_id, id, type, body)
     SELECT org, id, type, body FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
       WITH ORDINALITY AS event (org, id, type, body, place) ORDER BY place`,
    [
      events.map(({ orgId }) => orgId),
      events.map(({ id }) => id),
      events.map(({ type }) => type),
      events.map(({ body }) => body),
    ],
  );
}
