import type { OrgTx, SystemTx } from '#database';
import type { SealedEvent } from './audit-event.ts';

/** A row of the log as the export needs it. Hashes are hex. */
export interface AuditRow {
  readonly pos: string;
  readonly leaf: string;
  readonly personal: string;
  readonly leaf_hash: string;
  readonly prev_hash: string;
}

/** Goes with the next statement: nothing is answered by it. */
export function insertEvent(tx: OrgTx | SystemTx, event: SealedEvent): Promise<void> {
  return tx.withNext(
    'insert_audit_event',
    'INSERT INTO audit_events (org_id, id, leaf, personal) VALUES ($1, $2, $3, $4)',
    [event.orgId, event.id, event.leaf, event.personal],
  );
}

/** The same for many, in their order and in one round trip. */
export async function insertEvents(tx: OrgTx | SystemTx, events: readonly SealedEvent[]): Promise<void> {
  await tx.query(
    `INSERT INTO audit_events (org_id, id, leaf, personal)
     SELECT org, id, leaf, personal FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
       WITH ORDINALITY AS event (org, id, leaf, personal, place) ORDER BY place`,
    [
      events.map((one) => one.orgId),
      events.map((one) => one.id),
      events.map((one) => one.leaf),
      events.map((one) => one.personal),
    ],
  );
}

/** The highest position of the organization's log; 0 where it is empty. */
export async function readHead(tx: OrgTx): Promise<number> {
  const row = await tx.one<{ pos: string }>(
    'SELECT pos FROM audit_positions WHERE org_id = $1 ORDER BY pos DESC LIMIT 1',
    [tx.orgId],
  );
  return Number(row?.pos ?? 0);
}

/** The rows of the positions `after + 1` to `upTo`, in order. */
export async function readRange(tx: OrgTx, after: number, upTo: number): Promise<AuditRow[]> {
  return tx.query<AuditRow>(
    `SELECT p.pos, e.leaf, e.personal, encode(p.leaf_hash, 'hex') AS leaf_hash, encode(p.prev_hash, 'hex') AS prev_hash
       FROM audit_positions p JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
      WHERE p.org_id = $1 AND p.pos > $2 AND p.pos <= $3 ORDER BY p.pos`,
    [tx.orgId, after, upTo],
  );
}

/** Lines that stand in one value, so that neither the database nor this process has much to do for each of them. */
const LINES = 250;

/**
 * The SQL whose result is the export itself, native: bytes, of up to 250 lines a row. A line is the stored leaf with the
 * members that follow from its place spliced in before its closing brace. Positions are checked numbers, for COPY takes
 * no parameters; row-level security confines it to the transaction's organization. All of it is done in bytes, for of
 * text the database would count characters; and LIMIT keeps the planner to the primary keys, however long it believes
 * the ranges to be.
 */
export function nativeLines(orgId: string, after: number, upTo: number): string {
  return `SELECT (
      SELECT string_agg(line, ''::bytea) FROM (
        SELECT substring(textsend(e.leaf) FROM 1 FOR octet_length(e.leaf) - 1)
               || textsend(',"pos":' || p.pos || ',"leafHash":"' || encode(p.leaf_hash, 'hex')
                           || '","prevHash":"' || encode(p.prev_hash, 'hex') || '","personal":' || e.personal || E'}\\n') AS line
          FROM audit_positions p JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
         WHERE p.org_id = '${orgId}' AND p.pos > start AND p.pos <= least(start + ${LINES}, ${upTo})
         ORDER BY p.pos LIMIT ${LINES}) lines)
    FROM generate_series(${after}::bigint, ${upTo - 1}::bigint, ${LINES}) AS start`;
}
