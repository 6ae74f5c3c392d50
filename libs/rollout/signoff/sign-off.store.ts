import type { OrgTx } from '#database';
import { newId } from '#kernel';
import type { AnyTx } from '../lifecycle/rollout.store.ts';

export const purposes = ['change', 'rollback', 'freeze'] as const;
export type Purpose = (typeof purposes)[number];
export const decisions = ['approve', 'deny'] as const;
export type Decision = (typeof decisions)[number];

export interface SignOffRow {
  readonly id: string;
  readonly purpose: Purpose;
  readonly digest: string;
  readonly decision: Decision;
  readonly user_id: string;
  readonly comment: string;
  readonly at: Date;
}

/** One per person's account, purpose and digest: who decides again decides otherwise. */
export async function storeSignOff(
  tx: OrgTx,
  rolloutId: string,
  one: Omit<SignOffRow, 'id'> & { sessionId: string },
): Promise<string> {
  const row = await tx.one<{ id: string }>(
    `INSERT INTO rollout_sign_offs (org_id, id, rollout_id, purpose, digest, decision, user_id, session_id, comment, at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (rollout_id, purpose, digest, user_id)
     DO UPDATE SET decision = excluded.decision, session_id = excluded.session_id, comment = excluded.comment, at = excluded.at
     RETURNING id`,
    [
      tx.orgId,
      newId(),
      rolloutId,
      one.purpose,
      one.digest,
      one.decision,
      one.user_id,
      one.sessionId,
      one.comment,
      one.at,
    ],
  );
  return row?.id ?? '';
}

/** Newest first. A rollout has as many as people and digests. */
export async function readSignOffs(
  tx: AnyTx,
  orgId: string,
  rolloutId: string,
  limit = 500,
): Promise<SignOffRow[]> {
  return tx.query<SignOffRow>(
    `SELECT id, purpose, digest, decision, user_id, comment, at FROM rollout_sign_offs
      WHERE org_id = $1 AND rollout_id = $2 ORDER BY id DESC LIMIT $3`,
    [orgId, rolloutId, limit],
  );
}
