import type { OrgTx } from '#database';

export interface AccountRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly role: string;
}

/** The accounts of these users as they are now; who is no member any more is not among them. */
export async function readAccounts(tx: OrgTx, ids: readonly string[]): Promise<AccountRow[]> {
  return tx.query<AccountRow>(
    `SELECT u.id, u.email, u.name, r.name AS role
       FROM memberships m JOIN users u ON u.id = m.user_id JOIN roles r ON r.id = m.role_id
      WHERE m.org_id = $1 AND m.user_id = ANY($2) ORDER BY u.email`,
    [tx.orgId, ids],
  );
}
