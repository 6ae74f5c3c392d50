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
}

export async function findAccount(
  tx: SystemTx,
  by: { email: string } | { id: string },
): Promise<Account | undefined> {
  const [column, value] = 'email' in by ? ['email', by.email.toLowerCase()] : ['id', by.id];
  return tx.one<Account>(
    `SELECT u.id, u.email, u.name, u.status, u.locked_until, p.hash, p.must_change
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

/** Sets the password; `mustChange` where somebody else made it. */
export async function storePassword(
  tx: SystemTx,
  userId: string,
  hash: string,
  mustChange: boolean,
): Promise<void> {
  await tx.query(
    `INSERT INTO passwords (user_id, hash, must_change) VALUES ($1, $2, $3)
     ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, must_change = excluded.must_change, changed_at = now()`,
    [userId, hash, mustChange],
  );
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
