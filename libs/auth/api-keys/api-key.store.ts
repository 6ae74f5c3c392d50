import type { OrgTx, SystemTx } from '#database';

/** A key that is not revoked, with every secret it has now. */
export interface KeySecretsRow {
  readonly org_id: string;
  readonly digest: string;
  readonly pepper_id: string;
  readonly previous_digest: string | null;
  readonly previous_pepper_id: string;
}

export async function readKeySecrets(tx: SystemTx, id: string): Promise<KeySecretsRow | undefined> {
  return tx.one<KeySecretsRow>(
    `SELECT org_id, digest, pepper_id, previous_pepper_id,
            CASE WHEN previous_until > now() THEN previous_digest END AS previous_digest
       FROM api_keys WHERE id = $1 AND revoked_at IS NULL`,
    [id],
  );
}

/** Which keys of an organization; what a person answers for are their own and those of their service accounts. */
export type KeySelection =
  { readonly id: string } | { readonly ownerId: string } | { readonly serviceAccountId: string };

/** Ends the selected keys and answers their ids. */
export async function revokeKeys(
  tx: OrgTx | SystemTx,
  orgId: string,
  selection: KeySelection,
  reason: string,
): Promise<string[]> {
  const [which, value] =
    'id' in selection
      ? ['id = $2', selection.id]
      : 'ownerId' in selection
        ? [
            `(owner_id = $2 OR service_account_id IN
               (SELECT id FROM service_accounts WHERE org_id = $1 AND owner_id = $2))`,
            selection.ownerId,
          ]
        : ['service_account_id = $2', selection.serviceAccountId];
  const rows = await tx.query<{ id: string }>(
    `UPDATE api_keys SET revoked_at = now(), revoked_reason = $3
      WHERE org_id = $1 AND revoked_at IS NULL AND ${which} RETURNING id`,
    [orgId, value, reason],
  );
  return rows.map(({ id }) => id);
}

/** Ends the keys that these keys made, and answers their ids. Waits for what they are making. */
export async function revokeMadeKeys(
  tx: OrgTx | SystemTx,
  orgId: string,
  makers: readonly string[],
  reason: string,
): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `UPDATE api_keys SET revoked_at = now(), revoked_reason = $3
      WHERE org_id = $1 AND revoked_at IS NULL AND made_by_key_id = ANY ($2) RETURNING id`,
    [orgId, makers, reason],
  );
  return rows.map(({ id }) => id);
}

export interface KeyUse {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly ip: string | undefined;
}

/** Remembers the last use of each; an earlier one than is known changes nothing. */
export async function writeKeyUses(tx: SystemTx, uses: readonly KeyUse[]): Promise<void> {
  await tx.query(
    `INSERT INTO api_key_activity AS a (org_id, api_key_id, last_used_at, last_used_ip)
     SELECT k.org_id, k.id, to_timestamp(v.ms / 1000.0), v.ip
       FROM unnest($1::uuid[], $2::float8[], $3::text[]) AS v(id, ms, ip) JOIN api_keys k ON k.id = v.id
      ORDER BY k.id
     ON CONFLICT (api_key_id) DO UPDATE
       SET last_used_at = excluded.last_used_at, last_used_ip = excluded.last_used_ip
     WHERE a.last_used_at < excluded.last_used_at`,
    [uses.map(({ id }) => id), uses.map(({ at }) => at), uses.map(({ ip }) => ip ?? null)],
  );
}

/** A digest to put in the place of another of the same key. */
export interface RenewedDigest {
  readonly id: string;
  readonly before: string;
  readonly digest: string;
  readonly pepperId: string;
}

/** Puts new digests in place where the key still has the one before. Answers the keys that changed. */
export async function renewDigests(
  tx: SystemTx,
  renewed: readonly RenewedDigest[],
): Promise<{ id: string; org_id: string }[]> {
  return tx.query(
    `UPDATE api_keys k SET digest = v.digest, pepper_id = v.pepper
       FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) AS v(id, before, digest, pepper)
      WHERE k.id = v.id AND k.digest = v.before AND k.revoked_at IS NULL RETURNING k.id, k.org_id`,
    [
      renewed.map(({ id }) => id),
      renewed.map(({ before }) => before),
      renewed.map(({ digest }) => digest),
      renewed.map(({ pepperId }) => pepperId),
    ],
  );
}
