import type { OrgTx } from '#database';

export interface ServiceAccountRow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly owner_id: string;
  readonly created_at: Date;
}

export async function readServiceAccounts(
  tx: OrgTx,
  limit: number,
  before?: string,
): Promise<ServiceAccountRow[]> {
  return tx.query<ServiceAccountRow>(
    `SELECT id, name, description, owner_id, created_at FROM service_accounts
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

/** Undefined where the name is taken. */
export async function insertServiceAccount(
  tx: OrgTx,
  account: { id: string; name: string; description: string; ownerId: string },
): Promise<ServiceAccountRow | undefined> {
  return tx.one<ServiceAccountRow>(
    `INSERT INTO service_accounts (org_id, id, name, description, owner_id) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (org_id, name) DO NOTHING RETURNING id, name, description, owner_id, created_at`,
    [tx.orgId, account.id, account.name, account.description, account.ownerId],
  );
}

export async function deleteServiceAccount(tx: OrgTx, id: string): Promise<boolean> {
  return (await tx.change('DELETE FROM service_accounts WHERE org_id = $1 AND id = $2', [tx.orgId, id])) > 0;
}

export async function serviceAccountExists(tx: OrgTx, id: string): Promise<boolean> {
  const row = await tx.one('SELECT 1 FROM service_accounts WHERE org_id = $1 AND id = $2', [tx.orgId, id]);
  return row !== undefined;
}

export interface ApiKeyRow {
  readonly id: string;
  readonly name: string;
  readonly service_account_id: string | null;
  readonly owner_id: string;
  readonly digest: string;
  readonly permissions: string[];
  readonly allowed_cidrs: string[];
  readonly created_at: Date;
  readonly expires_at: Date | null;
}

const KEY_COLUMNS =
  'id, name, service_account_id, owner_id, digest, permissions, allowed_cidrs, created_at, expires_at';

/** Those not revoked, newest first. */
export async function readApiKeys(tx: OrgTx, limit: number, before?: string): Promise<ApiKeyRow[]> {
  return tx.query<ApiKeyRow>(
    `SELECT ${KEY_COLUMNS} FROM api_keys
      WHERE org_id = $1 AND revoked_at IS NULL AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

export async function insertApiKey(
  tx: OrgTx,
  key: Omit<ApiKeyRow, 'created_at'>,
): Promise<ApiKeyRow | undefined> {
  return tx.one<ApiKeyRow>(
    `INSERT INTO api_keys (org_id, id, name, service_account_id, owner_id, digest, permissions, allowed_cidrs, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ${KEY_COLUMNS}`,
    [
      tx.orgId,
      key.id,
      key.name,
      key.service_account_id,
      key.owner_id,
      key.digest,
      key.permissions,
      key.allowed_cidrs,
      key.expires_at,
    ],
  );
}

/** Puts a new digest in place; the one before is accepted for `overlapSeconds` more. */
export async function rotateApiKey(
  tx: OrgTx,
  id: string,
  digest: string,
  overlapSeconds: number,
): Promise<ApiKeyRow | undefined> {
  return tx.one<ApiKeyRow>(
    `UPDATE api_keys SET digest = $3,
            previous_digest = CASE WHEN $4 > 0 THEN digest END,
            previous_until = CASE WHEN $4 > 0 THEN now() + make_interval(secs => $4) END
      WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING ${KEY_COLUMNS}`,
    [tx.orgId, id, digest, overlapSeconds],
  );
}

/** Ends the selected keys and answers their ids. */
export async function revokeApiKeys(
  tx: OrgTx,
  selection: { id?: string; ownerId?: string; serviceAccountId?: string },
  reason: string,
): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `UPDATE api_keys SET revoked_at = now(), revoked_reason = $5
      WHERE org_id = $1 AND revoked_at IS NULL AND ($2::uuid IS NULL OR id = $2)
        AND ($3::uuid IS NULL OR owner_id = $3) AND ($4::uuid IS NULL OR service_account_id = $4)
      RETURNING id`,
    [tx.orgId, selection.id, selection.ownerId, selection.serviceAccountId, reason],
  );
  return rows.map((row) => row.id);
}
