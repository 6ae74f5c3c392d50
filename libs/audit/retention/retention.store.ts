import type { OrgTx, SystemTx } from '#database';

export interface HoldRow {
  readonly reason: string;
  readonly placed_by: string;
  readonly placed_at: Date;
}

export async function readHold(tx: OrgTx | SystemTx, orgId: string): Promise<HoldRow | undefined> {
  return tx.one<HoldRow>('SELECT reason, placed_by, placed_at FROM audit_holds WHERE org_id = $1', [orgId]);
}

/** Waits for whatever is being erased or pruned in this log; from the commit on nothing is. */
export async function placeHold(tx: OrgTx, reason: string, placedBy: string): Promise<HoldRow> {
  await tx.query('SELECT audit_lock_hold($1)', [tx.orgId]);
  const row = await tx.one<HoldRow>(
    `INSERT INTO audit_holds (org_id, reason, placed_by) VALUES ($1, $2, $3)
     ON CONFLICT (org_id) DO UPDATE SET reason = excluded.reason, placed_by = excluded.placed_by
     RETURNING reason, placed_by, placed_at`,
    [tx.orgId, reason, placedBy],
  );
  return row as HoldRow;
}

export async function liftHold(tx: OrgTx): Promise<HoldRow | undefined> {
  return tx.one<HoldRow>('DELETE FROM audit_holds WHERE org_id = $1 RETURNING reason, placed_by, placed_at', [
    tx.orgId,
  ]);
}

/** Days; undefined where events are kept for ever. */
export async function readRetention(tx: OrgTx | SystemTx, orgId: string): Promise<number | undefined> {
  const row = await tx.one<{ days: number }>(
    'SELECT retention_days AS days FROM audit_retention WHERE org_id = $1',
    [orgId],
  );
  return row?.days;
}

export async function writeRetention(tx: OrgTx, days: number | undefined): Promise<void> {
  if (days === undefined) await tx.query('DELETE FROM audit_retention WHERE org_id = $1', [tx.orgId]);
  else {
    await tx.query(
      `INSERT INTO audit_retention (org_id, retention_days) VALUES ($1, $2)
       ON CONFLICT (org_id) DO UPDATE SET retention_days = excluded.retention_days`,
      [tx.orgId, days],
    );
  }
}

/**
 * The position up to which events are gone; 0 where none is. A pruning counts only while the log holds its record:
 * rows that somebody took out by hand are missing, whatever they wrote beside it.
 */
export async function readPrunedUpTo(tx: OrgTx | SystemTx, orgId: string): Promise<number> {
  const row = await tx.one<{ up_to: string }>(
    `SELECT p.up_to FROM audit_prunings p
       JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.record_id AND e.action = 'audit.pruned'
      WHERE p.org_id = $1 AND e.leaf::jsonb #>> '{changes,upTo,to}' = p.up_to::text
      ORDER BY p.up_to DESC LIMIT 1`,
    [orgId],
  );
  return Number(row?.up_to ?? 0);
}

/** Organizations of which a policy lets something go that is not gone yet, and up to where. */
export async function readDue(tx: SystemTx): Promise<{ orgId: string; days: number; upTo: number }[]> {
  const rows = await tx.query<{ org_id: string; days: number; up_to: string }>(
    `SELECT r.org_id, r.retention_days AS days, c.size AS up_to
       FROM audit_retention r
      CROSS JOIN LATERAL (SELECT size FROM audit_checkpoints c
                           WHERE c.org_id = r.org_id AND c.issued_at <= now() - make_interval(days => r.retention_days)
                             AND c.issued_at > coalesce((SELECT max(f.acknowledged_at) FROM audit_forks f WHERE f.org_id = r.org_id), '-infinity')
                           ORDER BY issued_at DESC, size DESC LIMIT 1) c
      WHERE NOT EXISTS (SELECT FROM audit_holds h WHERE h.org_id = r.org_id)
        AND c.size > coalesce((SELECT max(p.up_to) FROM audit_prunings p WHERE p.org_id = r.org_id), 0)
      ORDER BY r.org_id`,
  );
  return rows.map((row) => ({ orgId: row.org_id, days: row.days, upTo: Number(row.up_to) }));
}

/** How many events went. The record must stand before it. */
export async function prune(tx: SystemTx, orgId: string, upTo: number): Promise<number> {
  const row = await tx.one<{ gone: string }>('SELECT audit_prune($1, $2) AS gone', [orgId, upTo]);
  return Number(row?.gone);
}
