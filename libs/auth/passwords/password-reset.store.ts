import type { SystemTx } from '#database';
import { newId } from '#kernel';

export interface OpenReset {
  readonly id: string;
  readonly user_id: string;
}

/** Stores a link; those of the person that ended long ago go. */
export async function insertReset(
  tx: SystemTx,
  reset: { digest: string; userId: string; startedBy: string | undefined; expiresAt: Date },
): Promise<void> {
  await tx.query(`DELETE FROM password_resets WHERE user_id = $1 AND expires_at < now() - interval '1 day'`, [
    reset.userId,
  ]);
  await tx.query(
    'INSERT INTO password_resets (id, digest, user_id, started_by, expires_at) VALUES ($1, $2, $3, $4, $5)',
    [newId(), reset.digest, reset.userId, reset.startedBy, reset.expiresAt],
  );
}

/** How many open links the person asked for. Locks the person, so that two requests are counted one by one. */
export async function countOwnResets(tx: SystemTx, userId: string): Promise<number> {
  await tx.query('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [userId]);
  const row = await tx.one<{ count: string }>(
    `SELECT count(*) FROM password_resets
      WHERE user_id = $1 AND started_by IS NULL AND used_at IS NULL AND expires_at > now()`,
    [userId],
  );
  return Number(row?.count);
}

/** A link that is open, without using it. */
export async function findReset(tx: SystemTx, digest: string): Promise<OpenReset | undefined> {
  return tx.one<OpenReset>(
    'SELECT id, user_id FROM password_resets WHERE digest = $1 AND used_at IS NULL AND expires_at > now()',
    [digest],
  );
}

/** Uses a link, once: undefined where it is unknown, used or too old. */
export async function useReset(tx: SystemTx, digest: string): Promise<OpenReset | undefined> {
  return tx.one<OpenReset>(
    `UPDATE password_resets SET used_at = now() WHERE digest = $1 AND used_at IS NULL AND expires_at > now()
      RETURNING id, user_id`,
    [digest],
  );
}
