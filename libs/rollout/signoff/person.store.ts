import type { BuiltInRole } from '#access';
import type { OrgTx } from '#database';
import type { AnyTx } from '../lifecycle/rollout.store.ts';
import type { SamePerson } from './people.ts';

const MOST_LINKS = 1_000;

export async function readLinks(tx: AnyTx, orgId: string): Promise<SamePerson[]> {
  const rows = await tx.query<{ user_id: string; same_as: string }>(
    'SELECT user_id, same_as FROM rollout_persons WHERE org_id = $1 ORDER BY created_at, user_id LIMIT $2',
    [orgId, MOST_LINKS],
  );
  return rows.map((row) => [row.user_id, row.same_as] as const);
}

export async function areMembers(tx: OrgTx, userIds: readonly string[]): Promise<boolean> {
  const row = await tx.one<{ count: number }>(
    'SELECT count(*)::int AS count FROM memberships WHERE org_id = $1 AND user_id = ANY($2)',
    [tx.orgId, userIds],
  );
  return row?.count === new Set(userIds).size;
}

export async function insertLink(tx: OrgTx, userId: string, sameAs: string): Promise<void> {
  await tx.query(
    `INSERT INTO rollout_persons (org_id, user_id, same_as)
     SELECT $1, $2, $3 WHERE (SELECT count(*) FROM rollout_persons WHERE org_id = $1) < $4
     ON CONFLICT DO NOTHING`,
    [tx.orgId, userId, sameAs, MOST_LINKS],
  );
}

export async function deleteLink(tx: OrgTx, userId: string, sameAs: string): Promise<boolean> {
  const gone = await tx.change(
    'DELETE FROM rollout_persons WHERE org_id = $1 AND user_id = $2 AND same_as = $3',
    [tx.orgId, userId, sameAs],
  );
  return gone > 0;
}

/** An account as it stands now: what it may, and whether it may anything at all. */
export interface StandingRow {
  readonly user_id: string;
  readonly email: string;
  readonly role_name: string;
  readonly built_in: BuiltInRole | null;
  readonly permissions: string[];
  readonly org_kind: 'tenant' | 'platform';
  readonly active: boolean;
}

/** The accounts of these users in the organization; who is no member is not among them. */
export async function readStanding(
  tx: AnyTx,
  orgId: string,
  userIds: readonly string[],
): Promise<StandingRow[]> {
  return tx.query<StandingRow>(
    `SELECT u.id AS user_id, u.email, r.name AS role_name, r.built_in, r.permissions, o.kind AS org_kind,
            m.status = 'active' AND u.status = 'active' AS active
       FROM memberships m
       JOIN users u ON u.id = m.user_id
       JOIN roles r ON r.id = m.role_id
       JOIN organizations o ON o.id = m.org_id
      WHERE m.org_id = $1 AND m.user_id = ANY($2)`,
    [orgId, userIds],
  );
}

/** Owners and administrators, who hear of a break-glass. */
export async function readAlerted(tx: OrgTx): Promise<{ email: string; name: string }[]> {
  return tx.query<{ email: string; name: string }>(
    `SELECT u.email, u.name FROM memberships m
       JOIN users u ON u.id = m.user_id JOIN roles r ON r.id = m.role_id
      WHERE m.org_id = $1 AND m.status = 'active' AND u.status = 'active' AND r.built_in IN ('owner', 'admin')
      ORDER BY u.id LIMIT 50`,
    [tx.orgId],
  );
}
