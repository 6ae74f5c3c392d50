import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';
import type { Plan, PlannedSource } from './plan.ts';
import { gated, type State } from './state.ts';

export type AnyTx = OrgTx | SystemTx;

export interface RolloutRow {
  readonly org_id: string;
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly state: State;
  readonly reason: string | null;
  readonly author_id: string;
  readonly policy_id: string;
  /** Who wrote the plan as it is. */
  readonly planner_id: string | null;
  readonly template_id: string | null;
  readonly source_hook_id: string | null;
  readonly source_repository: string | null;
  readonly source_ref: string | null;
  readonly source_commit: string | null;
  readonly source_gone_at: Date | null;
  readonly plan: Plan | null;
  readonly digest: string | null;
  readonly recovery_digest: string | null;
  readonly confirmed_digest: string | null;
  readonly executor_id: string | null;
  readonly verifier_id: string | null;
  readonly begun_at: Date | null;
  readonly completed_at: Date | null;
  readonly expires_at: Date | null;
  readonly supersedes: string | null;
  readonly job_id: string | null;
  /** What a rollback takes back; null where that is everything that was touched. */
  readonly recovery_targets: string[] | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** A rollout whose plan is sealed. */
export type PlannedRow = RolloutRow & { plan: Plan; digest: string; recovery_digest: string };

export interface MoveRow {
  readonly id: string;
  readonly move: string;
  readonly from_state: State;
  readonly to_state: State;
  readonly reason: string | null;
  readonly digest: string | null;
  readonly actor_type: string;
  readonly actor_id: string;
  readonly at: Date;
}

export function isPlanned(row: RolloutRow): row is PlannedRow {
  return row.plan !== null && row.digest !== null && row.recovery_digest !== null;
}

/** Who wrote it: the one who began it, and the one whose plan it is. */
export function authorsOf(row: Pick<RolloutRow, 'author_id' | 'planner_id'>): string[] {
  return [...new Set([row.author_id, row.planner_id ?? row.author_id])];
}

/** The commit it is of. */
export function boundTo(row: RolloutRow): PlannedSource | undefined {
  const {
    source_hook_id: giteaHookId,
    source_repository: repository,
    source_ref: ref,
    source_commit: commit,
  } = row;
  if (giteaHookId === null || repository === null || ref === null || commit === null) return undefined;
  return { giteaHookId, repository, ref, commit };
}

export async function insertRollout(
  tx: OrgTx,
  one: {
    title: string;
    description: string;
    authorId: string;
    policyId: string;
    supersedes: string | undefined;
  },
): Promise<string> {
  const id = newId();
  await tx.query(
    `INSERT INTO rollouts (org_id, id, title, description, author_id, policy_id, supersedes)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [tx.orgId, id, one.title, one.description, one.authorId, one.policyId, one.supersedes],
  );
  return id;
}

export async function readRollout(tx: AnyTx, orgId: string, id: string): Promise<RolloutRow | undefined> {
  return tx.one<RolloutRow>('SELECT * FROM rollouts WHERE org_id = $1 AND id = $2', [orgId, id]);
}

/** Locked: what happens to one rollout comes one after the other. */
export async function lockRollout(tx: AnyTx, orgId: string, id: string): Promise<RolloutRow | undefined> {
  return tx.one<RolloutRow>('SELECT * FROM rollouts WHERE org_id = $1 AND id = $2 FOR UPDATE', [orgId, id]);
}

/** A plan may be large, and a list shows none. */
const LISTED = `org_id, id, title, description, state, reason, author_id, policy_id, digest, recovery_digest,
  confirmed_digest, executor_id, verifier_id, begun_at, completed_at, expires_at, supersedes, job_id, recovery_targets, created_at,
  updated_at, planner_id, template_id, source_hook_id, source_repository, source_ref, source_commit, source_gone_at`;

export async function readRollouts(
  tx: OrgTx,
  query: { limit: number; before: string | undefined; state: string | undefined },
): Promise<RolloutRow[]> {
  return tx.query<RolloutRow>(
    `SELECT ${LISTED}, NULL::jsonb AS plan FROM rollouts
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::text IS NULL OR state = $3)
      ORDER BY id DESC LIMIT $4`,
    [tx.orgId, query.before, query.state, query.limit],
  );
}

/** With their plans: those whose gates will be asked again, newest first. Of one policy where it is named. */
export async function readGated(
  tx: OrgTx,
  query: { limit: number; before: string | undefined; policyId: string | undefined },
): Promise<RolloutRow[]> {
  return tx.query<RolloutRow>(
    `SELECT * FROM rollouts
      WHERE org_id = $1 AND state = ANY($2) AND digest IS NOT NULL AND ($3::uuid IS NULL OR id < $3)
        AND ($4::uuid IS NULL OR policy_id = $4)
      ORDER BY id DESC LIMIT $5`,
    [tx.orgId, gated, query.before, query.policyId, query.limit],
  );
}

/** Who seals the very plan again does not become its author. */
export async function storePlan(
  tx: AnyTx,
  { org_id: orgId, id }: RolloutRow,
  sealed: { plan: Plan; digest: string; recoveryDigest: string; plannerId: string },
): Promise<RolloutRow> {
  const { plan, digest, recoveryDigest, plannerId } = sealed;
  const source = plan.source;
  const row = await tx.one<RolloutRow>(
    `UPDATE rollouts SET plan = $3, digest = $4, recovery_digest = $5, updated_at = now(),
            planner_id = CASE WHEN digest = $4 THEN planner_id ELSE $6 END,
            source_hook_id = $7, source_repository = $8, source_ref = $9, source_commit = $10
      WHERE org_id = $1 AND id = $2 RETURNING *`,
    [
      orgId,
      id,
      JSON.stringify(plan),
      digest,
      recoveryDigest,
      plannerId,
      source?.giteaHookId,
      source?.repository,
      source?.ref,
      source?.commit,
    ],
  );
  if (!row) throw new Error('the rollout is gone');
  return row;
}

export async function storeConfirmation(tx: OrgTx, id: string, digest: string): Promise<void> {
  await tx.query('UPDATE rollouts SET confirmed_digest = $3 WHERE org_id = $1 AND id = $2', [
    tx.orgId,
    id,
    digest,
  ]);
}

export async function storeBegun(tx: OrgTx, id: string, executorId: string, at: Date): Promise<void> {
  await tx.query(
    'UPDATE rollouts SET executor_id = $3, begun_at = coalesce(begun_at, $4) WHERE org_id = $1 AND id = $2',
    [tx.orgId, id, executorId, at],
  );
}

export async function storeVerified(tx: OrgTx, id: string, verifierId: string, at: Date): Promise<void> {
  await tx.query('UPDATE rollouts SET verifier_id = $3, completed_at = $4 WHERE org_id = $1 AND id = $2', [
    tx.orgId,
    id,
    verifierId,
    at,
  ]);
}

/** The job that may go on with it from now; every other is of the past. */
export async function storeJob(tx: AnyTx, orgId: string, id: string, jobId: string | null): Promise<void> {
  await tx.query('UPDATE rollouts SET job_id = $3 WHERE org_id = $1 AND id = $2', [orgId, id, jobId]);
}

export async function storeRecoveryTargets(
  tx: OrgTx,
  id: string,
  targets: readonly string[] | null,
): Promise<void> {
  await tx.query('UPDATE rollouts SET recovery_targets = $3 WHERE org_id = $1 AND id = $2', [
    tx.orgId,
    id,
    targets,
  ]);
}

export async function storeState(
  tx: AnyTx,
  row: RolloutRow,
  to: State,
  change: { reason: string | undefined; expiresAt: Date | undefined },
): Promise<void> {
  await tx.query(
    `UPDATE rollouts SET state = $3, reason = $4, expires_at = $5, updated_at = now() WHERE org_id = $1 AND id = $2`,
    [row.org_id, row.id, to, change.reason, change.expiresAt],
  );
}

export async function insertMove(
  tx: AnyTx,
  row: RolloutRow,
  made: {
    move: string;
    to: State;
    reason: string | undefined;
    actor: { type: string; id: string };
    at: Date;
  },
): Promise<void> {
  await tx.query(
    `INSERT INTO rollout_moves (org_id, id, rollout_id, move, from_state, to_state, reason, digest, actor_type, actor_id, at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      row.org_id,
      newId(),
      row.id,
      made.move,
      row.state,
      made.to,
      made.reason,
      row.digest,
      made.actor.type,
      made.actor.id,
      made.at,
    ],
  );
}

/** Oldest first; a rollout has some tens of them, and no more than `limit` are answered. */
export async function readMoves(tx: OrgTx, id: string, limit: number): Promise<MoveRow[]> {
  return tx.query<MoveRow>(
    'SELECT * FROM rollout_moves WHERE org_id = $1 AND rollout_id = $2 ORDER BY id LIMIT $3',
    [tx.orgId, id, limit],
  );
}

/** The move that brought it into the state that it is in, and when. */
export async function readLastMove(
  tx: AnyTx,
  { org_id: orgId, id }: RolloutRow,
): Promise<Pick<MoveRow, 'move' | 'at'> | undefined> {
  return tx.one<Pick<MoveRow, 'move' | 'at'>>(
    'SELECT move, at FROM rollout_moves WHERE org_id = $1 AND rollout_id = $2 ORDER BY id DESC LIMIT 1',
    [orgId, id],
  );
}

/** Those whose review or approval has ended by itself, locked. */
export async function lockExpired(tx: SystemTx, now: Date, limit: number): Promise<RolloutRow[]> {
  return tx.query<RolloutRow>(
    `SELECT * FROM rollouts WHERE state IN ('in_review', 'approved', 'armed') AND expires_at <= $1
      ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED`,
    [now, limit],
  );
}
