import type { SystemTx } from '#database';
import type { CallerOrg } from '#kernel';
import { newId } from '#kernel';

/** A person as sign-in sees them. */
export interface Account {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: 'active' | 'disabled';
  readonly locked_until: Date | null;
  readonly hash: string | null;
  readonly must_change: boolean | null;
  /** When a password that works once runs out. */
  readonly valid_until: Date | null;
  readonly changed_at: Date | null;
}

/** True of a password that works once, and did not in time. */
export function hasRunOut({ valid_until }: Pick<Account, 'valid_until'>, now: Date): boolean {
  return valid_until !== null && valid_until <= now;
}

export async function findAccount(
  tx: SystemTx,
  by: { email: string } | { id: string },
): Promise<Account | undefined> {
  const [column, value] = 'email' in by ? ['email', by.email.toLowerCase()] : ['id', by.id];
  return tx.one<Account>(
    `SELECT u.id, u.email, u.name, u.status, u.locked_until, p.hash, p.must_change, p.valid_until, p.changed_at
       FROM users u LEFT JOIN passwords p ON p.user_id = u.id WHERE u.${column} = $1`,
    [value],
  );
}

/** The organizations a person may sign in to, oldest first. */
export async function readAccountOrgs(tx: SystemTx, userId: string): Promise<CallerOrg[]> {
  const rows = await tx.query<{
    id: string;
    slug: string;
    name: string;
    kind: CallerOrg['kind'];
    status: CallerOrg['status'];
    created_at: Date;
  }>(
    `SELECT o.id, o.slug, o.name, o.kind, o.status, o.created_at
       FROM memberships m JOIN organizations o ON o.id = m.org_id
      WHERE m.user_id = $1 AND m.status = 'active' ORDER BY o.id`,
    [userId],
  );
  return rows.map(({ created_at, ...org }) => ({ ...org, createdAt: created_at.toISOString() }));
}

/**
 * Sets the password. With `oneTimeUntil`, for one that somebody else made: it must be changed at the first sign-in,
 * and runs out. What was begun with the password before ends: sign-ins that wait for a step, and reset links.
 */
export async function storePassword(
  tx: SystemTx,
  userId: string,
  hash: string,
  oneTimeUntil?: Date,
): Promise<void> {
  await tx.query(
    `INSERT INTO passwords (user_id, hash, must_change, valid_until) VALUES ($1, $2, $3, $4)
     ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, must_change = excluded.must_change,
       valid_until = excluded.valid_until, changed_at = now()`,
    [userId, hash, oneTimeUntil !== undefined, oneTimeUntil],
  );
  await tx.query('UPDATE challenges SET used_at = now() WHERE user_id = $1 AND used_at IS NULL', [userId]);
  await tx.query('UPDATE password_resets SET used_at = now() WHERE user_id = $1 AND used_at IS NULL', [
    userId,
  ]);
}

/** The same password, hashed anew. Nothing ends by it. */
export async function storeUpgradedHash(tx: SystemTx, userId: string, hash: string): Promise<void> {
  await tx.query('UPDATE passwords SET hash = $2 WHERE user_id = $1', [userId, hash]);
}

/**
 * True where the person's password is still the one that `account` was read with; nobody else changes it until the
 * end of the transaction. So what was verified before a change or a reset does nothing after it.
 */
export async function holdPassword(
  tx: SystemTx,
  { id, changed_at }: Pick<Account, 'id' | 'changed_at'>,
): Promise<boolean> {
  const held = await tx.one(
    `SELECT FROM passwords WHERE user_id = $1 AND date_trunc('milliseconds', changed_at) = $2 FOR NO KEY UPDATE`,
    [id, changed_at],
  );
  return held !== undefined;
}

export async function insertUser(tx: SystemTx, user: { email: string; name: string }): Promise<string> {
  const id = newId();
  await tx.query('INSERT INTO users (id, email, name) VALUES ($1, $2, $3)', [
    id,
    user.email.toLowerCase(),
    user.name,
  ]);
  return id;
}
