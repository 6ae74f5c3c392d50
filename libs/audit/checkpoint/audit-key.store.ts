import type { SystemTx } from '#database';

export interface AuditKeyRow {
  readonly name: string;
  readonly id: string;
  readonly public_key: Buffer;
  /** NULL of one that signs no more, and of one that lies elsewhere. */
  readonly wrapped_private: string | null;
  /** False once it signs no more. */
  readonly signs: boolean;
}

/** Every key there ever was, newest first. */
export async function readKeys(tx: SystemTx): Promise<AuditKeyRow[]> {
  return tx.query<AuditKeyRow>(
    `SELECT name, id, public_key, wrapped_private, coalesce(retires_at > now(), true) AS signs
       FROM audit_keys ORDER BY created_at DESC`,
  );
}

/** Of several that would make or rotate a key at once, one does. */
export async function lockKeys(tx: SystemTx): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('audit-keys', 0))`);
}

export async function insertKey(
  tx: SystemTx,
  key: { name: string; id: string; publicKey: Buffer; wrappedPrivate: string | null },
): Promise<void> {
  await tx.query('INSERT INTO audit_keys (name, id, public_key, wrapped_private) VALUES ($1, $2, $3, $4)', [
    key.name,
    key.id,
    key.publicKey,
    key.wrappedPrivate,
  ]);
}

/** Lets every key that signs now retire in so many seconds at most, and forgets the secrets of those that have. */
export async function retireKeys(tx: SystemTx, seconds: number): Promise<void> {
  await tx.query(
    `UPDATE audit_keys SET retires_at = least(retires_at, now() + make_interval(secs => $1))
      WHERE coalesce(retires_at > now(), true)`,
    [seconds],
  );
  await tx.query(
    'UPDATE audit_keys SET wrapped_private = NULL WHERE retires_at <= now() AND wrapped_private IS NOT NULL',
  );
}

/** What names the deployment where nobody has named it, and the organization whose log its own matters stand in. */
export async function readDeployment(tx: SystemTx): Promise<{ id: string; platformOrgId: string | null }> {
  const row = await tx.one<{ id: string; platform: string | null }>(
    `SELECT id, (SELECT id FROM organizations WHERE kind = 'platform') AS platform FROM deployment`,
  );
  return { id: row?.id ?? '', platformOrgId: row?.platform ?? null };
}
