import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';
import type { AnyTx } from '../lifecycle/rollout.store.ts';

export interface ResultRow {
  readonly gate: string;
  readonly verdict: 'pass' | 'fail' | 'inconclusive';
  readonly source: 'check' | 'external' | 'manual';
  readonly recorded_by: string;
  readonly hook_id: string | null;
  readonly observed_at: Date;
}

/**
 * The newest result of each gate for this very plan, by when it was observed: a call-back that was held back on its way
 * does not outweigh what was said after it. Of two of one moment the one that does not pass counts.
 */
export async function latestResults(
  tx: AnyTx,
  orgId: string,
  rolloutId: string,
  digest: string,
): Promise<ResultRow[]> {
  return tx.query<ResultRow>(
    `SELECT DISTINCT ON (gate) gate, verdict, source, recorded_by, hook_id, observed_at FROM rollout_gate_results
      WHERE org_id = $1 AND rollout_id = $2 AND digest = $3 ORDER BY gate, observed_at DESC, verdict = 'pass', id DESC LIMIT 100`,
    [orgId, rolloutId, digest],
  );
}

/** False where the same call-back was taken before. */
export async function insertResult(
  tx: AnyTx,
  orgId: string,
  one: {
    rolloutId: string;
    gate: string;
    digest: string;
    verdict: string;
    source: string;
    recordedBy: string;
    detail: string | undefined;
    hookId?: string;
    nonce?: string;
    observedAt: Date;
  },
): Promise<boolean> {
  const inserted = await tx.change(
    `INSERT INTO rollout_gate_results (org_id, id, rollout_id, gate, digest, verdict, source, recorded_by, detail,
       hook_id, nonce, observed_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (hook_id, nonce) DO NOTHING`,
    [
      orgId,
      newId(),
      one.rolloutId,
      one.gate,
      one.digest,
      one.verdict,
      one.source,
      one.recordedBy,
      one.detail,
      one.hookId,
      one.nonce,
      one.observedAt,
    ],
  );
  return inserted > 0;
}

export interface HookRow {
  readonly id: string;
  readonly name: string;
  readonly revoked_at: Date | null;
  readonly created_at: Date;
}

export async function readHooks(tx: OrgTx, limit: number, before?: string): Promise<HookRow[]> {
  return tx.query<HookRow>(
    `SELECT id, name, revoked_at, created_at FROM rollout_hooks
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

export async function insertHook(tx: OrgTx, id: string, name: string, wrappedSecret: string): Promise<Date> {
  const row = await tx.one<{ created_at: Date }>(
    'INSERT INTO rollout_hooks (org_id, id, name, wrapped_secret) VALUES ($1, $2, $3, $4) RETURNING created_at',
    [tx.orgId, id, name, wrappedSecret],
  );
  return row?.created_at ?? new Date();
}

export async function revokeHook(tx: OrgTx, id: string): Promise<boolean> {
  const changed = await tx.change(
    'UPDATE rollout_hooks SET revoked_at = now() WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL',
    [tx.orgId, id],
  );
  return changed > 0;
}

/** A hook that counts, of whatever organization. */
export async function findHook(
  tx: SystemTx,
  id: string,
): Promise<{ org_id: string; wrapped_secret: string } | undefined> {
  return tx.one(
    `SELECT h.org_id, h.wrapped_secret FROM rollout_hooks h JOIN organizations o ON o.id = h.org_id
      WHERE h.id = $1 AND h.revoked_at IS NULL AND o.status = 'active'`,
    [id],
  );
}

/** Which of these hooks count no longer. */
export async function revokedHooks(tx: AnyTx, orgId: string, ids: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    'SELECT id FROM rollout_hooks WHERE org_id = $1 AND id = ANY($2) AND revoked_at IS NOT NULL',
    [orgId, ids],
  );
  return rows.map(({ id }) => id);
}
