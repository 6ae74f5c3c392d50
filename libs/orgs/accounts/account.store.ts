import type { SystemTx } from '#database';

export interface AccountRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: 'active' | 'disabled';
  readonly created_at: Date;
  readonly organizations: { id: string; slug: string }[];
}

const ACCOUNTS = `SELECT u.id, u.email, u.name, u.status, u.created_at, coalesce((
    SELECT json_agg(json_build_object('id', o.id, 'slug', o.slug) ORDER BY o.id)
      FROM memberships m JOIN organizations o ON o.id = m.org_id WHERE m.user_id = u.id), '[]') AS organizations
  FROM users u`;

/** Newest first. */
export async function readAccounts(
  tx: SystemTx,
  email: string | undefined,
  limit: number,
  before?: string,
): Promise<AccountRow[]> {
  return tx.query<AccountRow>(
    `${ACCOUNTS} WHERE ($1::text IS NULL OR u.email = $1) AND ($2::uuid IS NULL OR u.id < $2)
      ORDER BY u.id DESC LIMIT $3`,
    [email?.toLowerCase(), before, limit],
  );
}

export async function lockAccount(tx: SystemTx, id: string): Promise<AccountRow | undefined> {
  return tx.one<AccountRow>(`${ACCOUNTS} WHERE u.id = $1 FOR UPDATE OF u`, [id]);
}

export async function setAccountStatus(tx: SystemTx, id: string, status: string): Promise<void> {
  await tx.query('UPDATE users SET status = $2 WHERE id = $1', [id, status]);
}

/** Sign-ins that wait for their next step are not gone on with. */
export async function endChallenges(tx: SystemTx, userId: string): Promise<void> {
  await tx.query('UPDATE challenges SET used_at = now() WHERE user_id = $1 AND used_at IS NULL', [userId]);
}
