import type { OrgTx, SystemTx } from '#database';
import type { Finding } from '../tree/log-check.ts';

/** How far a log was last found to be as it was written. */
export interface Verified {
  readonly upTo: number;
  /** RFC 3339. */
  readonly at: string;
}

/**
 * From the log itself, where each verification leaves a record. Ids ascend with time, so this reads back from the newest
 * event to the record: what was written since, and no more than ten days of it.
 */
export async function readLastVerified(
  tx: OrgTx | SystemTx,
  orgId: string,
  now: Date,
): Promise<Verified | undefined> {
  const row = await tx.one<{ leaf: string }>(
    `SELECT leaf FROM audit_events WHERE org_id = $1 AND id > $2 AND action = 'audit.verified'
      ORDER BY org_id DESC, id DESC LIMIT 1`,
    [orgId, firstIdOf(new Date(now.getTime() - LOOKED_BACK_MS))],
  );
  if (!row) return undefined;
  const { time, changes } = JSON.parse(row.leaf) as { time: string; changes: { upTo: { to: number } } };
  return { upTo: changes.upTo.to, at: time };
}

/** Organizations of whose log something was signed and nothing is left. */
export async function readEmptied(tx: SystemTx): Promise<string[]> {
  // From one organization to the next by the index, as for the heads of logs.
  const rows = await tx.query<{ org_id: string }>(
    `WITH RECURSIVE logs AS (
       (SELECT org_id FROM audit_checkpoints ORDER BY org_id LIMIT 1)
       UNION ALL
       SELECT (SELECT c.org_id FROM audit_checkpoints c WHERE c.org_id > logs.org_id ORDER BY c.org_id LIMIT 1)
         FROM logs WHERE logs.org_id IS NOT NULL)
     SELECT org_id FROM logs
      WHERE org_id IS NOT NULL AND NOT EXISTS (SELECT FROM audit_positions p WHERE p.org_id = logs.org_id)`,
  );
  return rows.map((row) => row.org_id);
}

interface FoundRow {
  readonly kind: Finding['kind'];
  readonly pos: string;
  readonly detail: Finding['detail'];
  readonly found_at: Date;
}

/** What stands against a log, the earliest finding first. */
export async function readFindings(tx: OrgTx, limit: number): Promise<(Finding & { foundAt: Date })[]> {
  const rows = await tx.query<FoundRow>(
    `SELECT kind, pos, detail, found_at FROM audit_findings
      WHERE org_id = $1 AND resolved_at IS NULL ORDER BY id LIMIT $2`,
    [tx.orgId, limit],
  );
  return rows.map(({ found_at: foundAt, ...row }) => ({ ...row, pos: Number(row.pos), foundAt }));
}

/** What stood once, the latest finding first. */
export async function readResolved(
  tx: OrgTx,
  limit: number,
): Promise<(Finding & { foundAt: Date; resolvedAt: Date })[]> {
  const rows = await tx.query<FoundRow & { resolved_at: Date }>(
    `SELECT kind, pos, detail, found_at, resolved_at FROM audit_findings
      WHERE org_id = $1 AND resolved_at IS NOT NULL ORDER BY id DESC LIMIT $2`,
    [tx.orgId, limit],
  );
  return rows.map(({ found_at: foundAt, resolved_at: resolvedAt, ...row }) => ({
    ...row,
    pos: Number(row.pos),
    foundAt,
    resolvedAt,
  }));
}

/** Whether something stands against any log of the deployment. */
export async function hasFindings(tx: SystemTx): Promise<boolean> {
  const row = await tx.one<{ found: boolean }>(
    'SELECT EXISTS (SELECT FROM audit_findings WHERE resolved_at IS NULL) AS found',
  );
  return row?.found ?? false;
}

const LOOKED_BACK_MS = 10 * 86_400_000;

/** No UUIDv7 of this millisecond or later is smaller (RFC 9562 section 5.7). */
function firstIdOf(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
