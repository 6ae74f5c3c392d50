import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { findAccount, insertUser, Passwords, rolePermissions, Sessions, storePassword } from '#auth';
import { Database, type OrgTx, type SystemTx } from '#database';
import { type Caller, Clock, type Page, pageOf, randomText, readPage } from '#kernel';
import { requireHeld } from './grant-ceiling.ts';
import { revokeApiKeys } from './key.store.ts';
import {
  deleteMember,
  hasOtherOwner,
  insertMember,
  lockMember,
  type MemberRow,
  readMembers,
  updateMember,
} from './member.store.ts';
import type {
  CreatedMemberView,
  CreateMemberRequest,
  MemberView,
  UpdateMemberRequest,
} from './org.contract.ts';
import { OrgFault } from './org.faults.ts';
import type { RoleRow } from './role.store.ts';
import { roleNamed } from './roles.ts';

/** How long a password that somebody else made works at all. */
const ONE_TIME_MS = 7 * 86_400_000;

/** Members of an organization. What ends a membership ends its sessions and keys in the same transaction. */
@Injectable()
export class Members {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly passwords: Passwords,
    private readonly sessions: Sessions,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<MemberView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readMembers(tx, limit + 1, before));
    return pageOf(rows, limit, memberView);
  }

  /** Adds a person. A new account gets a password that must be changed at the first sign-in; nobody chooses it. */
  async add(caller: Caller, request: CreateMemberRequest): Promise<CreatedMemberView> {
    const password = randomText(12);
    const hash = await this.passwords.hash(password);
    const validUntil = new Date(this.clock.now().getTime() + ONE_TIME_MS);
    return this.database.acrossOrgsFor('manage_members', caller, async (tx) => {
      const orgId = caller.org.id;
      const role = await roleNamed(tx, orgId, request);
      requireHeld(caller, permissionsOf(role, caller));
      const existing = await findAccount(tx, { email: request.email });
      const userId = existing?.id ?? (await insertUser(tx, request));
      if (!(await insertMember(tx, { orgId, userId, roleId: role.id }))) throw OrgFault.member_exists();
      if (!existing) await storePassword(tx, userId, hash, validUntil);
      const email = request.email.toLowerCase();
      await this.audit.append(tx, caller, {
        action: 'member.added',
        target: { type: 'user', id: userId, display: email },
        changes: { role: { to: role.name } },
      });
      return {
        user: { id: userId, email, name: existing?.name ?? request.name },
        role: { id: role.id, name: role.name },
        status: 'active',
        createdAt: new Date().toISOString(),
        password: existing ? undefined : password,
        passwordExpiresAt: existing ? undefined : validUntil.toISOString(),
      };
    });
  }

  /** Role and status take effect on the member's next request. */
  async update(caller: Caller, userId: string, request: UpdateMemberRequest): Promise<MemberView> {
    return this.database.inOrg(caller, async (tx) => {
      const before = await this.#lock(tx, userId);
      const named = request.role !== undefined || request.roleId !== undefined;
      const role = named ? await roleNamed(tx, tx.orgId, request) : undefined;
      if (role) requireHeld(caller, permissionsOf(role, caller));
      const roleId = role?.id ?? before.role_id;
      const status = request.status ?? before.status;
      const losesOwner =
        before.built_in === 'owner' && (status !== 'active' || (role && role.built_in !== 'owner'));
      if (losesOwner && !(await hasOtherOwner(tx, userId))) throw OrgFault.last_owner();
      await requireNotAbove(caller, tx, before);
      await updateMember(tx, userId, { roleId, status });
      await this.audit.append(tx, caller, {
        action: 'member.updated',
        target: { type: 'user', id: userId, display: before.email },
        changes: {
          role: { from: before.role_name, to: role?.name ?? before.role_name },
          status: { from: before.status, to: status },
        },
      });
      if (status === 'disabled') await this.#endAccess(tx, caller, userId, 'membership_disabled');
      return memberView({ ...before, role_id: roleId, role_name: role?.name ?? before.role_name, status });
    });
  }

  async remove(caller: Caller, userId: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      const member = await this.#lock(tx, userId);
      if (member.built_in === 'owner' && !(await hasOtherOwner(tx, userId))) throw OrgFault.last_owner();
      await requireNotAbove(caller, tx, member);
      await this.#endAccess(tx, caller, userId, 'member_removed');
      await this.audit.append(tx, caller, {
        action: 'member.removed',
        target: { type: 'user', id: userId, display: member.email },
        changes: { role: { from: member.role_name } },
      });
      await deleteMember(tx, userId);
    });
  }

  async #endAccess(tx: OrgTx, caller: Caller, userId: string, reason: string): Promise<void> {
    await this.sessions.end(tx, caller, { userId }, reason);
    for (const id of await revokeApiKeys(tx, { ownerId: userId }, reason)) {
      await this.audit.append(tx, caller, {
        action: 'api_key.revoked',
        target: { type: 'api_key', id },
        reason,
      });
    }
  }

  async #lock(tx: OrgTx, userId: string): Promise<MemberRow> {
    const member = await lockMember(tx, userId, tx.orgId);
    if (!member) throw OrgFault.member_not_found();
    return member;
  }
}

/** Who holds less than a member's role does nothing to that member. */
export async function requireNotAbove(
  caller: Caller,
  tx: OrgTx | SystemTx,
  member: MemberRow,
): Promise<void> {
  const role = await roleNamed(tx, caller.org.id, { roleId: member.role_id });
  requireHeld(caller, permissionsOf(role, caller));
}

function permissionsOf(role: RoleRow, caller: Caller): Set<string> {
  return rolePermissions({ builtIn: role.built_in, permissions: role.permissions }, caller.org.kind);
}

function memberView(row: MemberRow): MemberView {
  return {
    user: { id: row.id, email: row.email, name: row.name },
    role: { id: row.role_id, name: row.role_name },
    status: row.status,
    createdAt: row.created_at.toISOString(),
  };
}
