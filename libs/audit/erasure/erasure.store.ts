import type { OrgTx, SystemTx } from '#database';

export interface ErasureRow {
  readonly id: string;
  readonly user_id: string;
  readonly requested_by: string;
  readonly requested_at: Date;
  readonly state: 'waiting' | 'running' | 'completed' | 'stopped';
  readonly up_to: string;
  readonly done_up_to: string;
  readonly events: string;
  readonly fields: string;
  readonly ended_at: Date | null;
}

const COLUMNS = 'id, user_id, requested_by, requested_at, state, up_to, done_up_to, events, fields, ended_at';

/** Undefined where this log has one of this id. */
export async function insertErasure(
  tx: OrgTx | SystemTx,
  erasure: { orgId: string; id: string; userId: string; requestedBy: string; upTo: number },
): Promise<ErasureRow | undefined> {
  return tx.one<ErasureRow>(
    `INSERT INTO audit_erasures (org_id, id, user_id, requested_by, up_to)
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (org_id, id) DO NOTHING RETURNING ${COLUMNS}`,
    [erasure.orgId, erasure.id, erasure.userId, erasure.requestedBy, erasure.upTo],
  );
}

/** An erasure in all logs: those of one id together. */
export interface EverywhereRow {
  readonly user_id: string;
  readonly requested_at: Date;
  readonly logs: number;
  readonly ended: number;
  readonly stopped: number;
  readonly events: string;
  readonly fields: string;
  readonly ended_at: Date | null;
}

/** Undefined where the log `orgId`, which such an erasure begins and ends with, has none of this id. */
export async function readEverywhere(
  tx: SystemTx,
  orgId: string,
  id: string,
): Promise<EverywhereRow | undefined> {
  return tx.one<EverywhereRow>(
    `SELECT own.user_id, own.requested_at, count(*)::int AS logs, count(e.ended_at)::int AS ended,
            count(*) FILTER (WHERE e.state = 'stopped')::int AS stopped,
            sum(e.events) AS events, sum(e.fields) AS fields, max(e.ended_at) AS ended_at
       FROM audit_erasures own JOIN audit_erasures e ON e.id = own.id
      WHERE own.org_id = $1 AND own.id = $2 GROUP BY own.user_id, own.requested_at`,
    [orgId, id],
  );
}

/** Whether the events after `after` up to `upTo` hold anything personal beside this id or one of these addresses. */
export async function speaksOf(
  tx: SystemTx,
  person: { userId: string; addresses: readonly string[] },
  { orgId, after, upTo }: { orgId: string; after: number; upTo: number },
): Promise<boolean> {
  const row = await tx.one<{ found: boolean }>(
    `SELECT EXISTS (
       SELECT FROM audit_positions p JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
        WHERE p.org_id = $1 AND p.pos > $2 AND p.pos <= $3 AND e.personal <> '{}'
          AND (position($4 IN e.leaf) > 0 OR EXISTS (
                 SELECT FROM json_each(e.personal::json) one
                  WHERE lower(one.value ->> 'value') = ANY ($5::text[])))) AS found`,
    [orgId, after, upTo, person.userId, person.addresses],
  );
  return row?.found ?? false;
}

export async function readErasure(
  tx: OrgTx | SystemTx,
  orgId: string,
  id: string,
): Promise<ErasureRow | undefined> {
  return tx.one<ErasureRow>(`SELECT ${COLUMNS} FROM audit_erasures WHERE org_id = $1 AND id = $2`, [
    orgId,
    id,
  ]);
}

/** Newest first, below the id `before`. */
export async function readErasures(tx: OrgTx, limit: number, before?: string): Promise<ErasureRow[]> {
  return tx.query<ErasureRow>(
    `SELECT ${COLUMNS} FROM audit_erasures
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

/** The addresses that the events after `after` up to `upTo` call this person by, in small letters. */
export async function readAddresses(
  tx: SystemTx,
  orgId: string,
  userId: string,
  after: number,
  upTo: number,
): Promise<string[]> {
  const rows = await tx.query<{ address: string }>(
    `SELECT DISTINCT lower(one.value ->> 'value') AS address
       FROM audit_positions p JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id,
            json_each(e.personal::json) one
      WHERE p.org_id = $1 AND p.pos > $3 AND p.pos <= $4 AND e.target_type = 'user' AND e.target_id = $2
        AND (one.key = 'target.display' OR one.key LIKE 'changes.%')
        AND json_typeof(one.value) = 'object' AND one.value ->> 'value' LIKE '%@%'`,
    [orgId, userId, after, upTo],
  );
  return rows.map(({ address }) => address);
}

export async function erase(
  tx: SystemTx,
  part: { orgId: string; userId: string; addresses: readonly string[]; after: number; upTo: number },
): Promise<{ events: number; fields: number }> {
  const row = await tx.one<{ events: string; fields: string }>(
    'SELECT events, fields FROM audit_erase($1, $2, $3, $4, $5)',
    [part.orgId, part.userId, part.addresses, part.after, part.upTo],
  );
  return { events: Number(row?.events), fields: Number(row?.fields) };
}

/** What an erasure has come to; the counts are added. */
export async function updateErasure(
  tx: SystemTx,
  orgId: string,
  id: string,
  step: { state: ErasureRow['state']; doneUpTo: number; events?: number; fields?: number },
): Promise<void> {
  await tx.query(
    `UPDATE audit_erasures SET state = $3, done_up_to = $4, events = events + $5, fields = fields + $6,
            ended_at = CASE WHEN $3 IN ('completed', 'stopped') THEN now() END
      WHERE org_id = $1 AND id = $2`,
    [orgId, id, step.state, step.doneUpTo, step.events ?? 0, step.fields ?? 0],
  );
}
