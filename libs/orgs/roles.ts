import { Injectable } from '@nestjs/common';
import { builtInPermissions } from '#access';
import { Audit } from '#audit';
import { rolePermissions } from '#auth';
import { Database, type OrgTx, type SystemTx } from '#database';
import { type Caller, type CallerOrg, newId, type Page, pageOf, readPage } from '#kernel';
import { requireHeld, requireKnown } from './grant-ceiling.ts';
import type { CreateRoleRequest, RoleView, UpdateRoleRequest } from './org.contract.ts';
import { OrgFault } from './org.faults.ts';
import { deleteRole, findRole, insertRole, readRoles, type RoleRow, updateRole } from './role.store.ts';

/** Roles of an organization: the built-in ones, and custom ones made from the permission catalogue. */
@Injectable()
export class Roles {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<RoleView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readRoles(tx, limit + 1, before));
    return pageOf(rows, limit, (row) => roleView(row, caller.org.kind));
  }

  async create(caller: Caller, request: CreateRoleRequest): Promise<RoleView> {
    requireKnown(request.permissions, caller.org.kind);
    requireHeld(caller, request.permissions);
    return this.database.inOrg(caller, async (tx) => {
      const id = newId();
      const permissions = [...new Set(request.permissions)].sort();
      const role = { id, name: request.name, description: request.description ?? '', permissions };
      if (!(await insertRole(tx, role)))
        throw OrgFault.role_exists({ errors: [{ path: 'name', message: 'is taken' }] });
      await this.audit.append(tx, caller, {
        action: 'role.created',
        target: { type: 'role', id },
        changes: { name: { to: role.name }, permissions: { to: permissions } },
      });
      return roleView(await this.#custom(tx, caller, id), caller.org.kind);
    });
  }

  /**
   * What the role may is effective on the next request of everyone who has it. Who holds less than the role neither
   * changes nor deletes it: what is above them is not theirs to take away either.
   */
  async update(caller: Caller, id: string, request: UpdateRoleRequest): Promise<RoleView> {
    requireKnown(request.permissions ?? [], caller.org.kind);
    return this.database.inOrg(caller, async (tx) => {
      const before = await this.#custom(tx, caller, id);
      requireHeld(caller, [...permissionsOf(before, caller.org.kind), ...(request.permissions ?? [])]);
      await updateRole(tx, id, request);
      const after = await this.#custom(tx, caller, id);
      await this.audit.append(tx, caller, {
        action: 'role.updated',
        target: { type: 'role', id },
        changes: {
          description: { from: before.description, to: after.description },
          permissions: { from: before.permissions, to: after.permissions },
        },
      });
      return roleView(after, caller.org.kind);
    });
  }

  async remove(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const role = await this.#custom(tx, caller, id);
      requireHeld(caller, permissionsOf(role, caller.org.kind));
      if (!(await deleteRole(tx, id))) throw OrgFault.role_in_use();
      await this.audit.append(tx, caller, {
        action: 'role.deleted',
        target: { type: 'role', id },
        changes: { name: { from: role.name } },
      });
    });
  }

  async #custom(tx: OrgTx, caller: Caller, id: string): Promise<RoleRow> {
    const role = await findRole(tx, caller.org.id, { id });
    if (!role) throw OrgFault.role_missing();
    if (role.built_in !== null) throw OrgFault.role_built_in();
    return role;
  }
}

/** The role a request names by `roleId` or `role`. Throws `org.role_not_found` with the path at fault. */
export async function roleNamed(
  tx: OrgTx | SystemTx,
  orgId: string,
  request: { role?: string; roleId?: string },
): Promise<RoleRow> {
  const role = await findRole(tx, orgId, {
    id: request.roleId,
    name: request.roleId ? undefined : request.role,
  });
  if (role) return role;
  const path = request.roleId ? 'roleId' : 'role';
  throw OrgFault.role_not_found({ errors: [{ path, message: 'must name a role of the organization' }] });
}

/** What a role of an organization of this kind gives. */
export function permissionsOf(role: RoleRow, kind: CallerOrg['kind']): Set<string> {
  return rolePermissions({ builtIn: role.built_in, permissions: role.permissions }, kind);
}

function roleView(row: RoleRow, kind: CallerOrg['kind']): RoleView {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    builtIn: row.built_in,
    permissions: row.built_in ? builtInPermissions(row.built_in, kind) : row.permissions,
    createdAt: row.created_at.toISOString(),
  };
}
