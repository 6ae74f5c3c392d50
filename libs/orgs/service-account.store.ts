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

/** Locked, so that what happens to it and to its keys comes one after the other. */
export async function lockServiceAccount(tx: OrgTx, id: string): Promise<ServiceAccountRow | undefined> {
  return tx.one<ServiceAccountRow>(
    `SELECT id, name, description, owner_id, created_at FROM service_accounts
      WHERE org_id = $1 AND id = $2 FOR UPDATE`,
    [tx.orgId, id],
  );
}

/** What the keys of an account may do that are not revoked, all together. */
export async function readAccountPermissions(tx: OrgTx, id: string): Promise<string[]> {
  const rows = await tx.query<{ name: string }>(
    `SELECT DISTINCT unnest(permissions) AS name FROM api_keys
      WHERE org_id = $1 AND service_account_id = $2 AND revoked_at IS NULL ORDER BY 1`,
    [tx.orgId, id],
  );
  return rows.map(({ name }) => name);
}

/** Makes another person answer for an account and for its keys that are not revoked. */
export async function changeAccountOwner(tx: OrgTx, id: string, ownerId: string): Promise<void> {
  await tx.query('UPDATE service_accounts SET owner_id = $3 WHERE org_id = $1 AND id = $2', [
    tx.orgId,
    id,
    ownerId,
  ]);
  await tx.query(
    `UPDATE api_keys SET owner_id = $3
      WHERE org_id = $1 AND service_account_id = $2 AND revoked_at IS NULL`,
    [tx.orgId, id, ownerId],
  );
}

/** Those a person answers for, locked, so that nobody makes them a key that would go without a record. */
export async function lockAccountsOf(tx: OrgTx, ownerId: string): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    'SELECT id FROM service_accounts WHERE org_id = $1 AND owner_id = $2 ORDER BY id FOR UPDATE',
    [tx.orgId, ownerId],
  );
  return rows.map(({ id }) => id);
}

export async function deleteServiceAccount(tx: OrgTx, id: string): Promise<void> {
  await tx.query('DELETE FROM service_accounts WHERE org_id = $1 AND id = $2', [tx.orgId, id]);
}
