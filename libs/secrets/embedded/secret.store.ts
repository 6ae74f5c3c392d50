import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';
import type { SecretSettings, Which } from '../secret-store.ts';

/** A transaction as the rows of one organization see it. */
type OrgRows = Pick<OrgTx, 'orgId' | 'query' | 'one' | 'change'>;

/** The rows of one organization, also for the system at work in it. */
export function rowsOf(tx: OrgTx | SystemTx, orgId: string): OrgRows {
  return {
    orgId,
    query: (sql, values) => tx.query(sql, values),
    one: (sql, values) => tx.one(sql, values),
    change: (sql, values) => tx.change(sql, values),
  };
}

export interface SecretRow {
  readonly id: string;
  readonly path: string;
  readonly description: string;
  readonly tags: Record<string, string>;
  readonly current_version: number;
  readonly max_versions: number;
  readonly cas_required: boolean;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly deleted_at: Date | null;
}

export interface VersionRow {
  readonly version: number;
  readonly fields: string[];
  readonly created_at: Date;
  readonly deleted_at: Date | null;
  readonly destroyed_at: Date | null;
}

/** A version with all that opens it. Without a version where the secret has none of that number. */
export interface SealedRow {
  readonly id: string;
  readonly path: string;
  readonly secret_deleted_at: Date | null;
  readonly version: number | null;
  readonly key_id: string | null;
  readonly ciphertext: Buffer | null;
  readonly deleted_at: Date | null;
  readonly destroyed_at: Date | null;
  readonly wrapped_key: string | null;
}

const COLUMNS = `id, path, description, tags, current_version, max_versions, cas_required, created_at, updated_at,
  deleted_at`;
const NAMED = `org_id = $1 AND ($2::uuid IS NULL OR id = $2) AND ($3::text IS NULL OR path = $3)
  AND ($2 IS NOT NULL OR $3 IS NOT NULL)`;

function named(which: Which): [id: string | undefined, path: string | undefined] {
  return 'id' in which ? [which.id, undefined] : [undefined, which.path];
}

/** Undefined where the path is taken. */
export async function insertSecret(
  tx: OrgTx,
  path: string,
  { description, tags, maxVersions, casRequired }: SecretSettings,
): Promise<SecretRow | undefined> {
  return tx.one<SecretRow>(
    `INSERT INTO secrets (org_id, id, path, description, tags, max_versions, cas_required)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
    [tx.orgId, newId(), path, description, JSON.stringify(tags), maxVersions, casRequired],
  );
}

export async function findSecret(tx: OrgTx, which: Which): Promise<SecretRow | undefined> {
  return tx.one<SecretRow>(`SELECT ${COLUMNS} FROM secrets WHERE ${NAMED}`, [tx.orgId, ...named(which)]);
}

/** Against others who write to it: one after the other. */
export async function lockSecret(tx: OrgRows, which: Which): Promise<SecretRow | undefined> {
  return tx.one<SecretRow>(`SELECT ${COLUMNS} FROM secrets WHERE ${NAMED} FOR UPDATE`, [
    tx.orgId,
    ...named(which),
  ]);
}

export async function readSecrets(
  tx: OrgTx,
  prefix: string | undefined,
  after: string | undefined,
  limit: number,
): Promise<SecretRow[]> {
  // All paths below a prefix begin with `prefix/`; `0` is the character after `/`.
  return tx.query<SecretRow>(
    `SELECT ${COLUMNS} FROM secrets
      WHERE org_id = $1
        AND ($2::text IS NULL OR path = $2
             OR path COLLATE "C" >= $2 || '/' AND path COLLATE "C" < $2 || '0')
        AND ($3::text IS NULL OR path COLLATE "C" > $3)
      ORDER BY path COLLATE "C" LIMIT $4`,
    [tx.orgId, prefix, after, limit],
  );
}

/** Of those whose newest version can be opened. */
export async function readNewest(
  tx: OrgRows,
  paths: readonly string[],
): Promise<{ path: string; version: number; created_at: Date }[]> {
  return tx.query(
    `SELECT s.path, v.version, v.created_at FROM secrets s
       JOIN secret_versions v ON v.org_id = s.org_id AND v.secret_id = s.id AND v.version = s.current_version
      WHERE s.org_id = $1 AND s.path = ANY($2) AND s.deleted_at IS NULL
        AND v.deleted_at IS NULL AND v.destroyed_at IS NULL`,
    [tx.orgId, paths],
  );
}

export async function updateSecret(
  tx: OrgTx,
  id: string,
  { description, tags, maxVersions, casRequired }: Partial<SecretSettings>,
): Promise<SecretRow | undefined> {
  return tx.one<SecretRow>(
    `UPDATE secrets SET description = coalesce($3, description), tags = coalesce($4, tags),
            max_versions = coalesce($5, max_versions), cas_required = coalesce($6, cas_required), updated_at = now()
      WHERE org_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tx.orgId, id, description, tags && JSON.stringify(tags), maxVersions, casRequired],
  );
}

export async function setCurrentVersion(tx: OrgRows, id: string, version: number): Promise<void> {
  await tx.query(
    'UPDATE secrets SET current_version = $3, updated_at = now() WHERE org_id = $1 AND id = $2',
    [tx.orgId, id, version],
  );
}

export async function insertVersion(
  tx: OrgRows,
  version: { secretId: string; version: number; keyId: string; ciphertext: Buffer; fields: string[] },
): Promise<void> {
  await tx.query(
    `INSERT INTO secret_versions (org_id, secret_id, version, key_id, ciphertext, fields)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [tx.orgId, version.secretId, version.version, version.keyId, version.ciphertext, version.fields],
  );
}

/** Removes the oldest versions beyond `keep`; answers how many. */
export async function pruneVersions(tx: OrgRows, secretId: string, keep: number): Promise<number> {
  return tx.change(
    `DELETE FROM secret_versions WHERE org_id = $1 AND secret_id = $2 AND version IN (
       SELECT version FROM secret_versions WHERE org_id = $1 AND secret_id = $2 ORDER BY version DESC OFFSET $3)`,
    [tx.orgId, secretId, keep],
  );
}

export async function readVersions(tx: OrgTx, secretId: string): Promise<VersionRow[]> {
  return tx.query<VersionRow>(
    `SELECT version, fields, created_at, deleted_at, destroyed_at FROM secret_versions
      WHERE org_id = $1 AND secret_id = $2 ORDER BY version DESC`,
    [tx.orgId, secretId],
  );
}

/** In one round trip: nothing between the secret, its version and the key can be another's. */
export async function readSealed(
  tx: OrgTx | SystemTx,
  orgId: string,
  which: Which,
  version: number | undefined,
): Promise<SealedRow | undefined> {
  const [id, path] = named(which);
  const rows = await tx.prepared<SealedRow>(
    id === undefined ? 'sealed_by_path' : 'sealed_by_id',
    `SELECT s.id, s.path, s.deleted_at AS secret_deleted_at, v.version, v.key_id, v.ciphertext, v.deleted_at,
            v.destroyed_at, k.wrapped_key
       FROM secrets s
       LEFT JOIN secret_versions v ON v.org_id = s.org_id AND v.secret_id = s.id
                                  AND v.version = coalesce($3, s.current_version)
       LEFT JOIN org_keys k ON k.org_id = s.org_id AND k.id = v.key_id
      WHERE s.org_id = $1 AND ${id === undefined ? 's.path = $2' : 's.id = $2'}`,
    [orgId, id ?? path, version],
  );
  return rows[0];
}

/** Hides the versions before this one; answers those that were not hidden. */
export async function hideBefore(
  tx: SystemTx,
  orgId: string,
  secretId: string,
  before: number,
): Promise<number[]> {
  const rows = await tx.query<{ version: number }>(
    `UPDATE secret_versions SET deleted_at = now()
      WHERE org_id = $1 AND secret_id = $2 AND version < $3 AND deleted_at IS NULL AND destroyed_at IS NULL
      RETURNING version`,
    [orgId, secretId, before],
  );
  return rows.map(({ version }) => version).sort((a, b) => a - b);
}

/** Changes the state of versions, or of the secret where none is named; answers how many there were. */
export async function setDeleted(
  tx: OrgTx,
  secretId: string,
  versions: readonly number[] | undefined,
  deleted: boolean,
): Promise<number> {
  const at = deleted ? 'coalesce(deleted_at, now())' : 'NULL';
  return versions === undefined
    ? tx.change(`UPDATE secrets SET deleted_at = ${at}, updated_at = now() WHERE org_id = $1 AND id = $2`, [
        tx.orgId,
        secretId,
      ])
    : tx.change(
        `UPDATE secret_versions SET deleted_at = ${at}
          WHERE org_id = $1 AND secret_id = $2 AND version = ANY($3) AND destroyed_at IS NULL`,
        [tx.orgId, secretId, versions],
      );
}

export async function destroyVersions(
  tx: OrgTx,
  secretId: string,
  versions: readonly number[],
): Promise<number> {
  return tx.change(
    `UPDATE secret_versions SET ciphertext = NULL, fields = '{}', destroyed_at = coalesce(destroyed_at, now())
      WHERE org_id = $1 AND secret_id = $2 AND version = ANY($3)`,
    [tx.orgId, secretId, versions],
  );
}

export async function deleteSecret(tx: OrgTx, secretId: string): Promise<void> {
  await tx.query('DELETE FROM secrets WHERE org_id = $1 AND id = $2', [tx.orgId, secretId]);
}
