import type { Asked, OrgTx } from '#database';

export interface EventRow {
  readonly pos: string;
  readonly type: string;
  readonly body: string;
}

export interface LogBounds {
  readonly head: number;
  readonly prunedUpTo: number;
}

const HEAD = `coalesce((SELECT p.pos FROM event_positions p WHERE p.org_id = $1 ORDER BY p.pos DESC LIMIT 1), 0)`;

/** The newest position, and what was dropped; both 0 where the log is empty. */
export async function readBounds(tx: OrgTx): Promise<LogBounds> {
  const row = await tx.one<{ head: string; pruned: string }>(
    `SELECT ${HEAD} AS head,
            coalesce((SELECT l.pruned_up_to FROM event_logs l WHERE l.org_id = $1), 0) AS pruned`,
    [tx.orgId],
  );
  return { head: Number(row?.head ?? 0), prunedUpTo: Number(row?.pruned ?? 0) };
}

/** Events after a position, in order; of one type only where that is given. */
export async function readAfter(
  tx: OrgTx,
  { after, type, limit }: { after: number; type: string | undefined; limit: number },
): Promise<EventRow[]> {
  return tx.query<EventRow>(
    `SELECT p.pos, p.type, e.body FROM event_positions p JOIN events e ON e.org_id = p.org_id AND e.id = p.event_id
      WHERE p.org_id = $1 AND p.pos > $2 ${type === undefined ? '' : 'AND p.type = $4'} ORDER BY p.pos LIMIT $3`,
    [tx.orgId, after, limit, ...(type === undefined ? [] : [type])],
  );
}

export async function readEvent(tx: OrgTx, id: string): Promise<EventRow | undefined> {
  return tx.one<EventRow>(
    `SELECT p.pos, p.type, e.body FROM event_positions p JOIN events e ON e.org_id = p.org_id AND e.id = p.event_id
      WHERE p.org_id = $1 AND p.event_id = $2`,
    [tx.orgId, id],
  );
}

export interface PublicationRow {
  readonly destination: string;
  readonly attempt: number;
  readonly stream: string;
  readonly sequence: string;
  readonly duplicate: boolean;
  readonly payload_sha256: string;
  readonly at: Date;
}

/** The newest hundred acknowledgements of an event. */
export async function readPublications(tx: OrgTx, pos: string): Promise<PublicationRow[]> {
  return tx.query<PublicationRow>(
    `SELECT destination, attempt, stream, sequence, duplicate, encode(payload_sha256, 'hex') AS payload_sha256, at
       FROM event_publications WHERE org_id = $1 AND pos = $2 ORDER BY destination, attempt DESC LIMIT 100`,
    [tx.orgId, pos],
  );
}

export interface DeadLetterRow {
  readonly destination: string;
  readonly code: string;
  readonly attempts: number;
  readonly retry: boolean;
  readonly at: Date;
}

export async function readDeadLettersOf(tx: OrgTx, pos: string): Promise<DeadLetterRow[]> {
  return tx.query<DeadLetterRow>(
    `SELECT destination, code, attempts, retry, at FROM event_dead_letters
      WHERE org_id = $1 AND pos = $2 ORDER BY destination LIMIT 100`,
    [tx.orgId, pos],
  );
}

/** The newest positions of many logs, for whoever waits for them; a number tells nothing of what happened. */
export async function readHeads(
  database: Asked,
  orgIds: readonly string[],
): Promise<{ org: string; head: string }[]> {
  return database.prepared(
    'event_heads',
    `SELECT org, coalesce((SELECT p.pos FROM event_positions p WHERE p.org_id = org ORDER BY p.pos DESC LIMIT 1), 0)
            AS head FROM unnest($1::uuid[]) AS org`,
    [orgIds],
  );
}
