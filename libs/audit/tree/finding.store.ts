import type { SystemTx } from '#database';
import type { Finding } from './log-check.ts';

/** Of the organization $1. */
const ACKNOWLEDGED = `(kind = 'fork' AND EXISTS (
  SELECT FROM audit_forks f WHERE f.org_id = $1 AND f.acknowledged_at >= audit_findings.found_at))`;

/** The earliest finding of a log, a fork before others; not one that an operator has acknowledged. */
export async function readFinding(tx: SystemTx, orgId: string): Promise<Finding | undefined> {
  const row = await tx.one<{ kind: Finding['kind']; pos: string; detail: Finding['detail'] }>(
    `SELECT kind, pos, detail FROM audit_findings
      WHERE org_id = $1 AND NOT ${ACKNOWLEDGED} ORDER BY kind <> 'fork', id LIMIT 1`,
    [orgId],
  );
  return row && { ...row, pos: Number(row.pos) };
}

/** False where the same is known already. */
export async function insertFinding(
  tx: SystemTx,
  orgId: string,
  id: string,
  { kind, pos, detail }: Finding,
): Promise<boolean> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('audit-findings:' || $1, 0))`, [orgId]);
  const inserted = await tx.change(
    `INSERT INTO audit_findings (org_id, id, kind, pos, detail)
     SELECT $1, $2, $3, $4, $5
      WHERE NOT EXISTS (SELECT FROM audit_findings
                         WHERE org_id = $1 AND kind = $3 AND pos = $4 AND NOT ${ACKNOWLEDGED})`,
    [orgId, id, kind, pos, detail],
  );
  return inserted > 0;
}
