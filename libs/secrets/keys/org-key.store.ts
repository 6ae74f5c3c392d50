import type { OrgTx, SystemTx } from '#database';

export interface OrgKeyRow {
  readonly id: string;
  /** NULL once destroyed. */
  readonly wrapped_key: string | null;
}

export async function readOrgKey(tx: OrgTx | SystemTx, orgId: string): Promise<OrgKeyRow | undefined> {
  return tx.one<OrgKeyRow>('SELECT id, wrapped_key FROM org_keys WHERE org_id = $1', [orgId]);
}

/** False where there is one already, or no such organization. */
export async function insertOrgKey(
  tx: OrgTx | SystemTx,
  orgId: string,
  id: string,
  wrappedKey: string,
): Promise<boolean> {
  const inserted = await tx.change(
    `INSERT INTO org_keys (org_id, id, wrapped_key) SELECT o.id, $2, $3 FROM organizations o WHERE o.id = $1
     ON CONFLICT DO NOTHING`,
    [orgId, id, wrappedKey],
  );
  return inserted > 0;
}

/** The id of the key that ended; undefined where there was none. */
export async function destroyOrgKey(tx: SystemTx, orgId: string): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    `UPDATE org_keys SET wrapped_key = NULL, destroyed_at = now()
      WHERE org_id = $1 AND wrapped_key IS NOT NULL RETURNING id`,
    [orgId],
  );
  return row?.id;
}
