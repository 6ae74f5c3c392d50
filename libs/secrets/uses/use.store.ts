import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';

export async function insertDigests(
  tx: OrgTx | SystemTx,
  orgId: string,
  of: { secretId: string; version: number; path: string },
  digests: Readonly<Record<string, string>>,
): Promise<void> {
  await tx.query(
    `INSERT INTO secret_digests (org_id, secret_id, version, path, field, digest)
     SELECT $1, $2, $3, $4, field, digest FROM unnest($5::text[], $6::text[]) AS d(field, digest)`,
    [orgId, of.secretId, of.version, of.path, Object.keys(digests), Object.values(digests)],
  );
}

export interface UseRow {
  readonly secretId: string;
  readonly version: number;
  readonly field: string | undefined;
  readonly kind: 'revealed' | 'resolved';
  readonly usedBy: string;
  readonly requestId: string;
}

export async function insertUse(tx: OrgTx | SystemTx, orgId: string, use: UseRow): Promise<void> {
  await tx.prepared(
    'insert_secret_use',
    `INSERT INTO secret_uses (org_id, id, secret_id, version, field, kind, used_by, request_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [orgId, newId(), use.secretId, use.version, use.field, use.kind, use.usedBy, use.requestId],
  );
}

export interface FoundRow {
  readonly secret_id: string;
  readonly path: string;
  readonly version: number;
  readonly field: string;
  readonly uses: { kind: 'revealed' | 'resolved'; usedBy: string; requestId: string; at: string }[];
}

/** Where a value of this digest stood, newest first, and at most `limit` uses of each. */
export async function findDigest(tx: OrgTx, digest: string, limit: number): Promise<FoundRow[]> {
  return tx.query<FoundRow>(
    `SELECT d.secret_id, d.path, d.version, d.field, coalesce((
         SELECT json_agg(json_build_object('kind', u.kind, 'usedBy', u.used_by, 'requestId', u.request_id,
                           'at', to_char(u.used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
           FROM (SELECT * FROM secret_uses u
                  WHERE u.org_id = d.org_id AND u.secret_id = d.secret_id AND u.version = d.version
                    AND (u.field IS NULL OR u.field = d.field)
                  ORDER BY u.id DESC LIMIT $3) u), '[]') AS uses
       FROM secret_digests d WHERE d.org_id = $1 AND d.digest = $2
      ORDER BY d.secret_id DESC, d.version DESC, d.field LIMIT $3`,
    [tx.orgId, digest, limit],
  );
}
