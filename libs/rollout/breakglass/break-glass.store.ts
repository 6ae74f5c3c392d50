import type { OrgTx } from '#database';
import { newId } from '#kernel';
import type { Difference } from '../planning/planning.ts';
import type { AnyTx } from '../lifecycle/rollout.store.ts';

export interface GlassRow {
  readonly id: string;
  readonly rollout_id: string;
  readonly digest: string;
  readonly opened_by: string;
  readonly justification: string;
  readonly incident: string;
  readonly needed: boolean;
  /** What could not be read when it was opened: `source`, `target:<id>`. */
  readonly unread: readonly string[];
  readonly opened_at: Date;
  readonly ends_at: Date;
  readonly review_due_at: Date;
  readonly reviewed_at: Date | null;
  readonly reviewed_by: string | null;
  readonly review: string | null;
}

/** The break-glass a rollout runs by; it may have ended. */
export async function openGlass(tx: AnyTx, orgId: string, rolloutId: string): Promise<GlassRow | undefined> {
  return tx.one<GlassRow>(
    `SELECT g.* FROM rollout_break_glass g JOIN rollouts r ON r.id = g.rollout_id AND r.digest = g.digest
      WHERE g.org_id = $1 AND g.rollout_id = $2 ORDER BY g.id DESC LIMIT 1`,
    [orgId, rolloutId],
  );
}

/** The differences that count: all but what the break-glass says it went past unread, and is still only unread. */
export function notPassedOver(
  differences: readonly Difference[],
  glass: Pick<GlassRow, 'unread'> | undefined,
): string[] {
  return differences
    .filter(({ what, unread }) => !unread || glass?.unread.includes(what) !== true)
    .map(({ what }) => what);
}

export async function insertGlass(
  tx: OrgTx,
  one: Pick<
    GlassRow,
    | 'rollout_id'
    | 'digest'
    | 'opened_by'
    | 'justification'
    | 'incident'
    | 'needed'
    | 'unread'
    | 'opened_at'
    | 'ends_at'
    | 'review_due_at'
  >,
): Promise<string> {
  const id = newId();
  await tx.query(
    `INSERT INTO rollout_break_glass (org_id, id, rollout_id, digest, opened_by, justification, incident, needed,
       opened_at, ends_at, review_due_at, unread) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      tx.orgId,
      id,
      one.rollout_id,
      one.digest,
      one.opened_by,
      one.justification,
      one.incident,
      one.needed,
      one.opened_at,
      one.ends_at,
      one.review_due_at,
      one.unread,
    ],
  );
  return id;
}

export async function readGlasses(tx: OrgTx, limit: number, before?: string): Promise<GlassRow[]> {
  return tx.query<GlassRow>(
    `SELECT * FROM rollout_break_glass WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

export async function glassesOf(tx: AnyTx, orgId: string, rolloutId: string): Promise<GlassRow[]> {
  return tx.query<GlassRow>(
    'SELECT * FROM rollout_break_glass WHERE org_id = $1 AND rollout_id = $2 ORDER BY id LIMIT 100',
    [orgId, rolloutId],
  );
}

export async function lockGlass(tx: OrgTx, id: string): Promise<GlassRow | undefined> {
  return tx.one<GlassRow>('SELECT * FROM rollout_break_glass WHERE org_id = $1 AND id = $2 FOR UPDATE', [
    tx.orgId,
    id,
  ]);
}

export async function storeReview(
  tx: OrgTx,
  id: string,
  by: string,
  review: string,
  at: Date,
): Promise<void> {
  await tx.query(
    'UPDATE rollout_break_glass SET reviewed_by = $3, review = $4, reviewed_at = $5 WHERE org_id = $1 AND id = $2',
    [tx.orgId, id, by, review, at],
  );
}
