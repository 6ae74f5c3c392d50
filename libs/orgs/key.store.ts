import type { OrgTx } from '#database';

export interface ApiKeyRow {
  readonly id: string;
  readonly name: string;
  readonly service_account_id: string | null;
  readonly owner_id: string;
  readonly permissions: string[];
  readonly allowed_cidrs: string[];
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly last_used_at: Date | null;
  readonly last_used_ip: string | null;
  readonly revoked_at: Date | null;
  readonly revoked_reason: string | null;
}

const KEY_COLUMNS = `id, name, service_account_id, owner_id, permissions, allowed_cidrs, created_at, expires_at,
  revoked_at, revoked_reason,
  (SELECT a.last_used_at FROM api_key_activity a WHERE a.api_key_id = api_keys.id) AS last_used_at,
  (SELECT a.last_used_ip FROM api_key_activity a WHERE a.api_key_id = api_keys.id) AS last_used_ip`;

/** Those that are revoked or those that are not, newest first. */
export async function readApiKeys(
  tx: OrgTx,
  page: { revoked: boolean; limit: number; before: string | undefined },
): Promise<ApiKeyRow[]> {
  return tx.query<ApiKeyRow>(
    `SELECT ${KEY_COLUMNS} FROM api_keys
      WHERE org_id = $1 AND (revoked_at IS NOT NULL) = $2 AND ($3::uuid IS NULL OR id < $3)
      ORDER BY id DESC LIMIT $4`,
    [tx.orgId, page.revoked, page.before, page.limit],
  );
}

/** What a key is limited to, and what it makes must be too. */
export interface KeyLimits {
  readonly expires_at: Date | null;
  readonly allowed_cidrs: string[];
}

/** The limits of the key that acts; locked, so that it is not revoked until what it makes can be seen. */
export async function lockActingKey(tx: OrgTx, id: string): Promise<KeyLimits | undefined> {
  return tx.one<KeyLimits>(
    'SELECT expires_at, allowed_cidrs FROM api_keys WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL FOR SHARE',
    [tx.orgId, id],
  );
}

export interface NewApiKey extends KeyLimits {
  readonly id: string;
  readonly name: string;
  readonly service_account_id: string | null;
  readonly owner_id: string;
  readonly made_by_key_id: string | null;
  readonly digest: string;
  readonly pepper_id: string;
  readonly permissions: string[];
}

export async function insertApiKey(tx: OrgTx, key: NewApiKey): Promise<ApiKeyRow | undefined> {
  return tx.one<ApiKeyRow>(
    `INSERT INTO api_keys (org_id, id, name, service_account_id, owner_id, made_by_key_id, digest, pepper_id,
                           permissions, allowed_cidrs, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING ${KEY_COLUMNS}`,
    [
      tx.orgId,
      key.id,
      key.name,
      key.service_account_id,
      key.owner_id,
      key.made_by_key_id,
      key.digest,
      key.pepper_id,
      key.permissions,
      key.allowed_cidrs,
      key.expires_at,
    ],
  );
}

/**
 * Puts a new digest in place; the one before is accepted for `overlapSeconds` more, or until the key expires. The
 * new secret is of the making of `by`: the key that asks, or null for a person; who asks for itself changes nothing.
 */
export async function rotateApiKey(
  tx: OrgTx,
  id: string,
  next: { digest: string; pepperId: string; by: string | null },
  overlapSeconds: number,
): Promise<ApiKeyRow | undefined> {
  return tx.one<ApiKeyRow>(
    `UPDATE api_keys SET digest = $3, pepper_id = $4, previous_pepper_id = pepper_id,
            previous_digest = CASE WHEN $5 > 0 THEN digest END,
            previous_until = CASE WHEN $5 > 0 THEN least(now() + make_interval(secs => $5), expires_at) END,
            made_by_key_id = CASE WHEN $6::uuid = id THEN made_by_key_id ELSE $6::uuid END
      WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING ${KEY_COLUMNS}`,
    [tx.orgId, id, next.digest, next.pepperId, overlapSeconds, next.by],
  );
}
