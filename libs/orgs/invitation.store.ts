import type { BuiltInRole } from '#access';
import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';

export interface InvitationRow {
  readonly id: string;
  readonly email: string;
  readonly role_id: string;
  readonly role_name: string;
  readonly created_at: Date;
  readonly expires_at: Date;
}

export async function insertInvitation(
  tx: OrgTx | SystemTx,
  invitation: {
    orgId: string;
    email: string;
    roleId: string;
    digest: string;
    invitedBy: string;
    byPlatform: boolean;
    expiresAt: Date;
  },
): Promise<string> {
  const id = newId();
  await tx.query(
    `INSERT INTO invitations (org_id, id, email, role_id, digest, invited_by, by_platform, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      invitation.orgId,
      id,
      invitation.email.toLowerCase(),
      invitation.roleId,
      invitation.digest,
      invitation.invitedBy,
      invitation.byPlatform,
      invitation.expiresAt,
    ],
  );
  return id;
}

/** Those still open, newest first. */
export async function readInvitations(tx: OrgTx, limit: number, before?: string): Promise<InvitationRow[]> {
  return tx.query<InvitationRow>(
    `SELECT i.id, i.email, i.role_id, r.name AS role_name, i.created_at, i.expires_at
       FROM invitations i JOIN roles r ON r.id = i.role_id
      WHERE i.org_id = $1 AND i.accepted_at IS NULL AND i.expires_at > now() AND ($2::uuid IS NULL OR i.id < $2)
      ORDER BY i.id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

/** True where there was an open one. */
export async function deleteInvitation(tx: OrgTx, id: string): Promise<boolean> {
  const deleted = await tx.change(
    'DELETE FROM invitations WHERE org_id = $1 AND id = $2 AND accepted_at IS NULL',
    [tx.orgId, id],
  );
  return deleted > 0;
}

export interface OpenInvitation {
  readonly id: string;
  readonly org_id: string;
  readonly email: string;
  readonly role_id: string;
  readonly invited_by: string;
  readonly by_platform: boolean;
}

/** The open invitation behind a token, locked: of two acceptances one wins. */
export async function lockInvitation(tx: SystemTx, digest: string): Promise<OpenInvitation | undefined> {
  return tx.one<OpenInvitation>(
    `SELECT id, org_id, email, role_id, invited_by, by_platform FROM invitations
      WHERE digest = $1 AND accepted_at IS NULL AND expires_at > now() FOR UPDATE`,
    [digest],
  );
}

export async function markAccepted(tx: SystemTx, id: string): Promise<void> {
  await tx.query('UPDATE invitations SET accepted_at = now() WHERE id = $1', [id]);
}

export interface InviterRow {
  readonly kind: 'tenant' | 'platform';
  readonly built_in: BuiltInRole | null;
  readonly role_permissions: string[];
  /** Of the key that invited; null where it was a person. */
  readonly key_permissions: string[] | null;
}

/**
 * What the person or key behind an invitation holds now, in the organization or in the platform; undefined where
 * they hold nothing any more: left, disabled, revoked, expired.
 */
export async function readInviter(
  tx: SystemTx,
  invitation: Pick<OpenInvitation, 'org_id' | 'invited_by' | 'by_platform'>,
): Promise<InviterRow | undefined> {
  return tx.one<InviterRow>(
    `SELECT o.kind, r.built_in, r.permissions AS role_permissions, k.permissions AS key_permissions
       FROM organizations o
       LEFT JOIN api_keys k ON k.org_id = o.id AND k.id = $2 AND k.revoked_at IS NULL
            AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
       JOIN memberships m ON m.org_id = o.id AND m.user_id = coalesce(k.owner_id, $2) AND m.status = 'active'
       JOIN users u ON u.id = m.user_id AND u.status = 'active'
       JOIN roles r ON r.id = m.role_id
      WHERE CASE WHEN $3 THEN o.kind = 'platform' ELSE o.id = $1 END`,
    [invitation.org_id, invitation.invited_by, invitation.by_platform],
  );
}
