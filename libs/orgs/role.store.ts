import { type BuiltInRole, builtInRoles } from '#access';
import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';

export interface RoleRow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly built_in: BuiltInRole | null;
  readonly permissions: string[];
  readonly created_at: Date;
}

const COLUMNS = 'id, name, description, built_in, permissions, created_at';

/** The built-in roles of a new organization. Answers the owner role's id. */
export async function insertBuiltInRoles(tx: SystemTx, orgId: string): Promise<string> {
  const roles = builtInRoles.map((name) => ({ id: newId(), name }));
  await tx.query(
    `INSERT INTO roles (org_id, id, name, built_in) SELECT $1, id, name, name FROM unnest($2::uuid[], $3::text[]) AS r(id, name)`,
    [orgId, roles.map((role) => role.id), roles.map((role) => role.name)],
  );
  return roles[0]?.id ?? '';
}

export async function readRoles(tx: OrgTx, limit: number, before?: string): Promise<RoleRow[]> {
  return tx.query<RoleRow>(
    `SELECT ${COLUMNS} FROM roles WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

/** By id or by name, of one organization. */
export async function findRole(
  tx: OrgTx | SystemTx,
  orgId: string,
  by: { id?: string; name?: string },
): Promise<RoleRow | undefined> {
  return tx.one<RoleRow>(
    `SELECT ${COLUMNS} FROM roles
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id = $2) AND ($3::text IS NULL OR name = $3) AND ($2 IS NOT NULL OR $3 IS NOT NULL)`,
    [orgId, by.id, by.name],
  );
}

/** The role a person has in an organization; undefined where they are no member. */
export async function memberRole(tx: SystemTx, orgId: string, userId: string): Promise<RoleRow | undefined> {
  return tx.one<RoleRow>(
    `SELECT ${COLUMNS} FROM roles WHERE id = (SELECT role_id FROM memberships WHERE org_id = $1 AND user_id = $2)`,
    [orgId, userId],
  );
}

export async function insertRole(
  tx: OrgTx,
  role: { id: string; name: string; description: string; permissions: readonly string[] },
): Promise<boolean> {
  const inserted = await tx.change(
    `INSERT INTO roles (org_id, id, name, description, permissions) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (org_id, name) DO NOTHING`,
    [tx.orgId, role.id, role.name, role.description, role.permissions],
  );
  return inserted > 0;
}

export async function updateRole(
  tx: OrgTx,
  id: string,
  change: { description?: string | undefined; permissions?: readonly string[] | undefined },
): Promise<void> {
  await tx.query(
    `UPDATE roles SET description = coalesce($2, description), permissions = coalesce($3, permissions) WHERE id = $1`,
    [id, change.description, change.permissions],
  );
}

/** Deletes a role nobody has; false where somebody does. */
export async function deleteRole(tx: OrgTx, id: string): Promise<boolean> {
  const deleted = await tx.change(
    `DELETE FROM roles r WHERE r.id = $1
        AND NOT EXISTS (SELECT FROM memberships m WHERE m.role_id = r.id)
        AND NOT EXISTS (SELECT FROM invitations i WHERE i.role_id = r.id AND i.accepted_at IS NULL)`,
    [id],
  );
  return deleted > 0;
}
