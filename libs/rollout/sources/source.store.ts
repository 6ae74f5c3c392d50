import type { SystemTx } from '#database';
import type { RolloutRow } from '../lifecycle/rollout.store.ts';

/** Where a rollout may still be kept from something. */
const LIVE = `state NOT IN ('completed', 'rejected', 'withdrawn', 'expired', 'superseded', 'rolled_back')
  AND source_gone_at IS NULL`;
const AT_MOST = 1_000;

/** The commits of a repository that rollouts which have not ended are of. */
export async function readBound(
  tx: SystemTx,
  orgId: string,
  repository: string,
): Promise<{ ref: string; commit: string }[]> {
  return tx.query(
    `SELECT DISTINCT source_ref AS ref, source_commit AS commit FROM rollouts
      WHERE org_id = $1 AND source_repository = $2 AND ${LIVE} LIMIT $3`,
    [orgId, repository, AT_MOST],
  );
}

/** Rollouts of any commit of a ref that have not ended; locked. */
export async function lockOfRef(
  tx: SystemTx,
  of: { orgId: string; repository: string; ref: string },
): Promise<RolloutRow[]> {
  return tx.query<RolloutRow>(
    `SELECT * FROM rollouts WHERE org_id = $1 AND source_repository = $2 AND source_ref = $3 AND ${LIVE}
      ORDER BY id LIMIT $4 FOR UPDATE`,
    [of.orgId, of.repository, of.ref, AT_MOST],
  );
}

/** Those of a commit, wherever it stands. */
export async function readOfCommit(
  tx: SystemTx,
  of: { orgId: string; repository: string; commit: string },
): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `SELECT id FROM rollouts WHERE org_id = $1 AND source_repository = $2 AND source_commit = $3 AND ${LIVE}
      ORDER BY id LIMIT $4`,
    [of.orgId, of.repository, of.commit, AT_MOST],
  );
  return rows.map(({ id }) => id);
}

export async function storeGone(tx: SystemTx, row: RolloutRow, at: Date): Promise<void> {
  await tx.query('UPDATE rollouts SET source_gone_at = $3 WHERE org_id = $1 AND id = $2', [
    row.org_id,
    row.id,
    at,
  ]);
}

/** Whether anything here depends on what Gitea says of a repository. */
export async function isWatched(
  tx: SystemTx,
  of: { orgId: string; hookId: string; repository: string; name: string },
): Promise<boolean> {
  const row = await tx.one<{ watched: boolean }>(
    `SELECT EXISTS (SELECT FROM rollout_templates WHERE org_id = $1 AND gitea_hook_id = $2 AND repository = $3)
         OR EXISTS (SELECT FROM rollouts WHERE org_id = $1 AND source_repository = $4) AS watched`,
    [of.orgId, of.hookId, of.name, of.repository],
  );
  return row?.watched === true;
}
