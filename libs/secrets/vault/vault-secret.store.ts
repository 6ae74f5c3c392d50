import type { OrgTx, SystemTx } from '#database';
import type { Which } from '../secret-store.ts';

export interface VaultSecretRow {
  readonly id: string;
  readonly path: string;
  /** It does not bear our id. */
  readonly adopted: boolean;
}

type Tx = OrgTx | SystemTx;

export async function findVaultSecret(
  tx: Tx,
  orgId: string,
  which: Which,
): Promise<VaultSecretRow | undefined> {
  const [column, value] = 'id' in which ? (['id', which.id] as const) : (['path', which.path] as const);
  return tx.one<VaultSecretRow>(
    `SELECT id, path, adopted FROM vault_secrets WHERE org_id = $1 AND ${column} = $2`,
    [orgId, value],
  );
}

export async function findVaultSecrets(
  tx: Tx,
  orgId: string,
  paths: readonly string[],
): Promise<VaultSecretRow[]> {
  return tx.query<VaultSecretRow>(
    'SELECT id, path, adopted FROM vault_secrets WHERE org_id = $1 AND path = ANY($2)',
    [orgId, paths],
  );
}

/** False where the path, or the id, is taken. */
export async function insertVaultSecret(
  tx: Tx,
  orgId: string,
  { id, path, adopted }: VaultSecretRow,
): Promise<boolean> {
  const inserted = await tx.change(
    'INSERT INTO vault_secrets (org_id, id, path, adopted) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
    [orgId, id, path, adopted],
  );
  return inserted > 0;
}

export async function deleteVaultSecret(tx: Tx, orgId: string, id: string): Promise<void> {
  await tx.query('DELETE FROM vault_secrets WHERE org_id = $1 AND id = $2', [orgId, id]);
}

/** It bears our id from now on. */
export async function setStamped(tx: Tx, orgId: string, id: string): Promise<void> {
  await tx.query('UPDATE vault_secrets SET adopted = false WHERE org_id = $1 AND id = $2', [orgId, id]);
}

/** Names of the fields of each version that was written through us. */
export async function readFieldNames(
  tx: OrgTx,
  secretId: string,
): Promise<{ version: number; fields: string[] }[]> {
  return tx.query(
    `SELECT version, array_agg(field ORDER BY field COLLATE "C") AS fields FROM secret_digests
      WHERE org_id = $1 AND secret_id = $2 GROUP BY version`,
    [tx.orgId, secretId],
  );
}
