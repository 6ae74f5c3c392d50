import type { OrgTx, SystemTx } from '#database';

export type RefKind = 'branch' | 'tag' | 'release' | 'pull' | 'commit';

/** Where something stands that Gitea is asked about. */
export interface RefKey {
  readonly orgId: string;
  readonly hookId: string;
  readonly repository: string;
  readonly kind: RefKind;
  readonly name: string;
}

/** What Gitea said. */
export interface Seen {
  readonly commit: string;
  readonly state: string;
  readonly facts: Readonly<Record<string, string>>;
}

export interface SeenRow extends Seen {
  /** As text: the driver's way with bigint. */
  readonly version: string;
}

export async function readSeen(tx: SystemTx, key: RefKey): Promise<SeenRow | undefined> {
  return tx.one<SeenRow>(
    `SELECT commit, state, facts, version FROM gitea_refs
      WHERE hook_id = $1 AND repository = $2 AND kind = $3 AND name = $4`,
    [key.hookId, key.repository, key.kind, key.name],
  );
}

/** Everything that was seen of a repository. */
export async function readAllSeen(
  tx: SystemTx,
  hookId: string,
  repository: string,
): Promise<(SeenRow & { kind: RefKind; name: string })[]> {
  return tx.query(
    'SELECT kind, name, commit, state, facts, version FROM gitea_refs WHERE hook_id = $1 AND repository = $2',
    [hookId, repository],
  );
}

/** Keeps what was seen. False where somebody has kept something since `version` was read. */
export async function keepSeen(
  tx: SystemTx,
  key: RefKey,
  seen: Seen,
  version: string | undefined,
): Promise<boolean> {
  const values = [key.hookId, key.repository, key.kind, key.name, seen.commit, seen.state, seen.facts];
  const changed =
    version === undefined
      ? await tx.change(
          `INSERT INTO gitea_refs (hook_id, repository, kind, name, commit, state, facts, org_id)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
          [...values, key.orgId],
        )
      : await tx.change(
          `UPDATE gitea_refs SET commit = $5, state = $6, facts = $7, version = version + 1, seen_at = now()
            WHERE hook_id = $1 AND repository = $2 AND kind = $3 AND name = $4 AND version = $8`,
          [...values, version],
        );
  return changed > 0;
}

/** It is gone. False as above. */
export async function dropSeen(tx: SystemTx, key: RefKey, version: string | undefined): Promise<boolean> {
  if (version === undefined) return (await readSeen(tx, key)) === undefined;
  const dropped = await tx.change(
    `DELETE FROM gitea_refs WHERE hook_id = $1 AND repository = $2 AND kind = $3 AND name = $4 AND version = $5`,
    [key.hookId, key.repository, key.kind, key.name, version],
  );
  return dropped > 0;
}

export interface RepositoryRow {
  readonly gitea_id: string;
  readonly baselined_at: Date | null;
}

/** The repository that a name stands for, from the first reading on. */
export async function bindRepository(
  tx: SystemTx,
  key: { orgId: string; hookId: string; repository: string },
  giteaId: number,
): Promise<RepositoryRow> {
  await tx.change(
    `INSERT INTO gitea_repositories (org_id, hook_id, name, gitea_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
    [key.orgId, key.hookId, key.repository, giteaId],
  );
  const row = await tx.one<RepositoryRow>(
    'SELECT gitea_id, baselined_at FROM gitea_repositories WHERE hook_id = $1 AND name = $2',
    [key.hookId, key.repository],
  );
  if (!row) throw new Error('the repository is not there');
  return row;
}

export async function markBaselined(tx: SystemTx, hookId: string, repository: string): Promise<void> {
  await tx.change(
    'UPDATE gitea_repositories SET baselined_at = now() WHERE hook_id = $1 AND name = $2 AND baselined_at IS NULL',
    [hookId, repository],
  );
}

/** What is of repositories that the hook is for no longer; and statuses of commits that nobody has asked of lately. */
export async function forgetOthers(
  tx: SystemTx,
  hookId: string,
  repositories: readonly string[],
): Promise<void> {
  await tx.change('DELETE FROM gitea_refs WHERE hook_id = $1 AND repository <> ALL ($2)', [
    hookId,
    repositories,
  ]);
  await tx.change('DELETE FROM gitea_repositories WHERE hook_id = $1 AND name <> ALL ($2)', [
    hookId,
    repositories,
  ]);
  await tx.change(
    `DELETE FROM gitea_refs WHERE hook_id = $1 AND kind = 'commit' AND seen_at < now() - interval '30 days'`,
    [hookId],
  );
}

/** Everything of the repository was compared at `at` with what was seen. */
export async function markRead(tx: SystemTx, hookId: string, repository: string, at: Date): Promise<void> {
  await tx.change('UPDATE gitea_repositories SET read_at = $3 WHERE hook_id = $1 AND name = $2', [
    hookId,
    repository,
    at,
  ]);
}

export interface LastSeenRow {
  readonly url: string;
  readonly kind: RefKind | null;
  readonly commit: string | null;
  readonly state: string | null;
  readonly read_at: Date | null;
}

/** What was seen last of a ref by a hook that still reads the repository. */
export async function readLastSeen(
  tx: OrgTx | SystemTx,
  orgId: string,
  of: { hookId: string; repository: string; kinds: readonly RefKind[]; name: string },
): Promise<LastSeenRow | undefined> {
  return tx.one<LastSeenRow>(
    `SELECT h.base_url || '/' || p.name AS url, r.kind, r.commit, r.state, greatest(r.seen_at, p.read_at) AS read_at
       FROM gitea_hooks h
       JOIN gitea_repositories p ON p.hook_id = h.id
       LEFT JOIN gitea_refs r
         ON r.hook_id = h.id AND r.repository = p.name AND r.kind = ANY ($4) AND r.name = $5
      WHERE h.org_id = $1 AND h.id = $2 AND h.enabled AND p.name = $3 AND $3 = ANY (h.repositories)
      ORDER BY r.seen_at DESC NULLS LAST LIMIT 1`,
    [orgId, of.hookId, of.repository, of.kinds, of.name],
  );
}
