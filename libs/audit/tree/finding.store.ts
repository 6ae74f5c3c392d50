import type { SystemTx } from '#database';
import type { Finding } from './log-check.ts';

export interface KeptFinding extends Finding {
  readonly id: string;
}

interface FindingRow {
  readonly id: string;
  readonly kind: Finding['kind'];
  readonly pos: string;
  readonly detail: Finding['detail'];
}

const keptOf = (row: FindingRow): KeptFinding => ({ ...row, pos: Number(row.pos) });

/** What stands against a log: forks before others, the earliest first. */
export async function readStanding(tx: SystemTx, orgId: string, limit: number): Promise<KeptFinding[]> {
  const rows = await tx.query<FindingRow>(
    `SELECT id, kind, pos, detail FROM audit_findings
      WHERE org_id = $1 AND resolved_at IS NULL ORDER BY kind <> 'fork', id LIMIT $2`,
    [orgId, limit],
  );
  return rows.map(keptOf);
}

/** Findings of a log come and go one after the other. */
async function lockFindings(tx: SystemTx, orgId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('audit-findings:' || $1, 0))`, [orgId]);
}

/** False where the same stands already. */
export async function insertFinding(
  tx: SystemTx,
  orgId: string,
  id: string,
  { kind, pos, detail }: Finding,
): Promise<boolean> {
  await lockFindings(tx, orgId);
  const inserted = await tx.change(
    `INSERT INTO audit_findings (org_id, id, kind, pos, detail)
     SELECT $1, $2, $3, $4, $5
      WHERE NOT EXISTS (SELECT FROM audit_findings
                         WHERE org_id = $1 AND kind = $3 AND pos = $4 AND resolved_at IS NULL)`,
    [orgId, id, kind, pos, detail],
  );
  return inserted > 0;
}

/** Ends those of these that stand; answers them in the order in which they were found. */
export async function endFindings(
  tx: SystemTx,
  orgId: string,
  ids: readonly string[],
): Promise<KeptFinding[]> {
  await lockFindings(tx, orgId);
  const rows = await tx.query<FindingRow>(
    `UPDATE audit_findings SET resolved_at = now()
      WHERE org_id = $1 AND id = ANY ($2::uuid[]) AND resolved_at IS NULL RETURNING id, kind, pos, detail`,
    [orgId, ids],
  );
  return rows.map(keptOf).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The same for all that say the log forked. */
export async function endForkFindings(tx: SystemTx, orgId: string): Promise<void> {
  await lockFindings(tx, orgId);
  await tx.query(
    `UPDATE audit_findings SET resolved_at = now()
      WHERE org_id = $1 AND kind = 'fork' AND resolved_at IS NULL`,
    [orgId],
  );
}
