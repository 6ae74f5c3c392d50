import type { OrgTx } from '#database';
import { type InputError, newId } from '#kernel';
import type { AnyTx } from '../lifecycle/rollout.store.ts';

export const targetKinds = ['surface', 'host'] as const;

export interface TargetRow {
  readonly id: string;
  readonly name: string;
  readonly kind: (typeof targetKinds)[number];
  readonly surface_id: string | null;
  readonly environment: string;
  readonly state: string | null;
  readonly observed_at: Date | null;
  readonly ttl_seconds: number | null;
  readonly version: string | null;
  readonly fence: string;
  readonly locked_by: string | null;
  readonly created_at: Date;
}

const COLUMNS =
  'id, name, kind, surface_id, environment, state, observed_at, ttl_seconds, version, fence, locked_by, created_at';

export async function readTargets(tx: OrgTx, limit: number, before?: string): Promise<TargetRow[]> {
  return tx.query<TargetRow>(
    `SELECT ${COLUMNS} FROM rollout_targets
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

/** Those of these ids that exist. */
export async function findTargets(tx: AnyTx, orgId: string, ids: readonly string[]): Promise<TargetRow[]> {
  return tx.query<TargetRow>(
    `SELECT ${COLUMNS} FROM rollout_targets WHERE org_id = $1 AND id = ANY($2) ORDER BY id`,
    [orgId, ids],
  );
}

/** What names no target of the organization, by its place under `at`. */
export async function targetFaults(tx: OrgTx, ids: readonly string[], at: string): Promise<InputError[]> {
  if (ids.length === 0) return [];
  const known = new Set((await findTargets(tx, tx.orgId, ids)).map(({ id }) => id));
  return ids.flatMap((id, n) => (known.has(id) ? [] : [{ path: `${at}[${n}]`, message: 'is no target' }]));
}

/** Undefined where the name is taken. */
export async function insertTarget(
  tx: OrgTx,
  one: { name: string; kind: string; surfaceId: string | undefined; environment: string },
): Promise<TargetRow | undefined> {
  return tx.one<TargetRow>(
    `INSERT INTO rollout_targets (org_id, id, name, kind, surface_id, environment) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (org_id, name) DO NOTHING RETURNING ${COLUMNS}`,
    [tx.orgId, newId(), one.name, one.kind, one.surfaceId, one.environment],
  );
}

/** False where there is no such target, or it was seen later than that already. */
export async function storeReport(
  tx: OrgTx,
  id: string,
  report: { state: string; observedAt: Date; ttlSeconds: number; by: string },
): Promise<boolean> {
  const changed = await tx.change(
    `UPDATE rollout_targets SET state = $3, observed_at = $4, ttl_seconds = $5, reported_by = $6
      WHERE org_id = $1 AND id = $2 AND (observed_at IS NULL OR observed_at <= $4)`,
    [tx.orgId, id, report.state, report.observedAt, report.ttlSeconds, report.by],
  );
  return changed > 0;
}

/** Nothing of these targets changes before the transaction ends. */
export async function lockRows(tx: OrgTx, orgId: string, ids: readonly string[]): Promise<void> {
  await tx.query('SELECT id FROM rollout_targets WHERE org_id = $1 AND id = ANY($2) ORDER BY id FOR UPDATE', [
    orgId,
    ids,
  ]);
}

/** Takes hold of those that nobody else holds, lowest first; answers which ones are now held by this rollout. */
export async function lockTargets(
  tx: AnyTx,
  orgId: string,
  ids: readonly string[],
  rolloutId: string,
): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `WITH wanted AS (SELECT id FROM rollout_targets WHERE org_id = $1 AND id = ANY($2) ORDER BY id FOR UPDATE)
     UPDATE rollout_targets t SET locked_by = $3, fence = t.fence + 1
       FROM wanted w WHERE t.id = w.id AND (t.locked_by IS NULL OR t.locked_by = $3) RETURNING t.id`,
    [orgId, ids, rolloutId],
  );
  return rows.map(({ id }) => id);
}

/** Lets go of all that a rollout holds; answers them. */
export async function releaseTargets(
  tx: AnyTx,
  orgId: string,
  rolloutId: string,
): Promise<{ id: string; version: string | null }[]> {
  return tx.query<{ id: string; version: string | null }>(
    `UPDATE rollout_targets SET locked_by = NULL WHERE org_id = $1 AND locked_by = $2 RETURNING id, version`,
    [orgId, rolloutId],
  );
}

/** Only of a target that the rollout holds. */
export async function storeVersion(
  tx: AnyTx,
  orgId: string,
  rolloutId: string,
  id: string,
  version: string | null,
): Promise<void> {
  await tx.query('UPDATE rollout_targets SET version = $4 WHERE org_id = $1 AND id = $3 AND locked_by = $2', [
    orgId,
    rolloutId,
    id,
    version,
  ]);
}
