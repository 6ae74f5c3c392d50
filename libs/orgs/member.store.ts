import type { BuiltInRole } from '#access';
import type { OrgTx, SystemTx } from '#database';

export interface MemberRow {
  /** The person's id. */
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: 'active' | 'disabled';
  /** Of the person's account, which is nobody's here to change. */
  readonly account_status: 'active' | 'disabled';
  readonly role_id: string;
  readonly role_name: string;
  readonly built_in: BuiltInRole | null;
  readonly created_at: Date;
}

const MEMBERS = `SELECT u.id, u.email, u.name, m.status, u.status AS account_status, m.role_id, r.name AS role_name, r.built_in, m.created_at
  FROM memberships m JOIN users u ON u.id = m.user_id JOIN roles r ON r.id = m.role_id`;

export interface MemberFilter {
  readonly email?: string | undefined;
  /** The name of a role. */
  readonly role?: string | undefined;
  readonly status?: string | undefined;
}

export async function readMembers(
  tx: OrgTx,
  filter: MemberFilter,
  limit: number,
  before?: string,
): Promise<MemberRow[]> {
  return tx.query<MemberRow>(
    `${MEMBERS} WHERE m.org_id = $1 AND ($2::uuid IS NULL OR u.id < $2) AND ($4::text IS NULL OR u.email = $4)
        AND ($5::text IS NULL OR r.name = $5) AND ($6::text IS NULL OR m.status = $6)
      ORDER BY u.id DESC LIMIT $3`,
    [tx.orgId, before, limit, filter.email?.toLowerCase(), filter.role, filter.status],
  );
}

/**
 * From here to the end of the transaction nobody else changes who belongs to the organization and as what. Taken
 * before any row of a membership, so that no two wait for each other crosswise.
 */
export async function lockMemberships(tx: OrgTx): Promise<void> {
  await tx.query('SELECT FROM organizations WHERE id = $1 FOR NO KEY UPDATE', [tx.orgId]);
}

/** Locked, so that two changes of one membership come one after the other. */
export async function lockMember(
  tx: OrgTx | SystemTx,
  userId: string,
  orgId: string,
): Promise<MemberRow | undefined> {
  return tx.one<MemberRow>(`${MEMBERS} WHERE m.org_id = $1 AND m.user_id = $2 FOR UPDATE OF m`, [
    orgId,
    userId,
  ]);
}

/** Is the person a member of another organization, disabled there or not? */
export async function belongsElsewhere(tx: SystemTx, userId: string, orgId: string): Promise<boolean> {
  const other = await tx.one('SELECT FROM memberships WHERE user_id = $1 AND org_id <> $2 LIMIT 1', [
    userId,
    orgId,
  ]);
  return other !== undefined;
}

export async function insertMember(
  tx: OrgTx | SystemTx,
  member: { orgId: string; userId: string; roleId: string },
): Promise<boolean> {
  const inserted = await tx.change(
    `INSERT INTO memberships (org_id, user_id, role_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
    [member.orgId, member.userId, member.roleId],
  );
  return inserted > 0;
}

export async function updateMember(
  tx: OrgTx,
  userId: string,
  change: { roleId: string; status: string },
): Promise<void> {
  await tx.query('UPDATE memberships SET role_id = $3, status = $4 WHERE org_id = $1 AND user_id = $2', [
    tx.orgId,
    userId,
    change.roleId,
    change.status,
  ]);
}

export async function deleteMember(tx: OrgTx, userId: string): Promise<void> {
  await tx.query('DELETE FROM memberships WHERE org_id = $1 AND user_id = $2', [tx.orgId, userId]);
}

/**
 * Is there an owner besides this person who can sign in? True for long enough only where the memberships are locked:
 * else two owners could leave at once.
 */
export async function hasOtherOwner(tx: OrgTx | SystemTx, orgId: string, userId: string): Promise<boolean> {
  const other = await tx.one(
    `SELECT 1 FROM memberships m JOIN roles r ON r.id = m.role_id JOIN users u ON u.id = m.user_id
      WHERE m.org_id = $1 AND m.user_id <> $2 AND r.built_in = 'owner' AND m.status = 'active' AND u.status = 'active'`,
    [orgId, userId],
  );
  return other !== undefined;
}
