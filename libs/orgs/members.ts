import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { AuthFault, findAccount, insertUser, KeyRevocation, Passwords, Sessions, storePassword } from '#auth';
import { Database, type OrgTx, type SystemTx } from '#database';
import { type Caller, Clock, type Page, pageOf, randomText, readPage } from '#kernel';
import { requireHeld } from './grant-ceiling.ts';
import {
  deleteMember,
  hasOtherOwner,
  insertMember,
  lockMember,
  lockMemberships,
  type MemberRow,
  readMembers,
  updateMember,
} from './member.store.ts';
import type {
  CreatedMemberView,
  CreateMemberRequest,
  MembersQuery,
  MemberView,
  UpdateMemberRequest,
} from './org.contract.ts';
import { requireDomain } from './email-domain.ts';
import { OrgFault } from './org.faults.ts';
import { permissionsOf, roleNamed } from './roles.ts';
import { ServiceAccounts } from './service-accounts.ts';

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
    private readonly keys: KeyRevocation,
    private readonly serviceAccounts: ServiceAccounts,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, query: MembersQuery): Promise<Page<MemberView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readMembers(tx, query, limit + 1, before));
    return pageOf(rows, limit, memberView);
  }

  /**
   * Adds a person. A new account gets a password that must be changed at the first sign-in; nobody chooses it. Who
   * has an account already keeps theirs, and the answer does not tell: it has a password then too, which opens
   * nothing, and the name as it was given.
   */
  async add(caller: Caller, request: CreateMemberRequest): Promise<CreatedMemberView> {
    const password = randomText(12);
    const hash = await this.passwords.hash(password);
    const validUntil = new Date(this.clock.now().getTime() + ONE_TIME_MS);
    return this.database.acrossOrgsFor('manage_members', caller, async (tx) => {
      const orgId = caller.org.id;
      const role = await roleNamed(tx, orgId, request);
      requireHeld(caller, permissionsOf(role, caller.org.kind));
      await requireDomain(tx, orgId, request.email, 'email');
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
        user: { id: userId, email, name: request.name },
        role: { id: role.id, name: role.name },
        status: 'active',
        createdAt: new Date().toISOString(),
        password,
        passwordExpiresAt: validUntil.toISOString(),
      };
    });
  }

  /** Role and status take effect on the member's next request. */
  async update(caller: Caller, userId: string, request: UpdateMemberRequest): Promise<MemberView> {
    return this.database.inOrg(caller, async (tx) => {
      await lockMemberships(tx);
      const before = await this.#lock(tx, userId);
      const named = request.role !== undefined || request.roleId !== undefined;
      const role = named ? await roleNamed(tx, tx.orgId, request) : undefined;
      if (role) requireHeld(caller, permissionsOf(role, caller.org.kind));
      const roleId = role?.id ?? before.role_id;
      const status = request.status ?? before.status;
      const losesOwner =
        before.built_in === 'owner' && (status !== 'active' || (role && role.built_in !== 'owner'));
      await requireNotAbove(caller, tx, before);
      if (losesOwner && !(await hasOtherOwner(tx, tx.orgId, userId))) throw OrgFault.last_owner();
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
      await lockMemberships(tx);
      const member = await this.#lock(tx, userId);
      await requireNotAbove(caller, tx, member);
      await this.#remove(tx, caller, member, 'member_removed');
    });
  }

  /** The caller's own membership in the organization of their session. */
  async leave(caller: Caller): Promise<void> {
    if (caller.kind !== 'user') throw AuthFault.sessions_only();
    await this.database.inOrg(caller, async (tx) => {
      await lockMemberships(tx);
      await this.#remove(tx, caller, await this.#lock(tx, caller.id), 'member_left');
    });
  }

  async #remove(
    tx: OrgTx,
    caller: Caller,
    member: MemberRow,
    reason: 'member_removed' | 'member_left',
  ): Promise<void> {
    if (member.built_in === 'owner' && !(await hasOtherOwner(tx, tx.orgId, member.id)))
      throw OrgFault.last_owner();
    await this.serviceAccounts.endOf(tx, caller, member.id, reason);
    await this.#endAccess(tx, caller, member.id, reason);
    await this.audit.append(tx, caller, {
      action: 'member.removed',
      target: { type: 'user', id: member.id, display: member.email },
      reason,
      changes: { role: { from: member.role_name } },
    });
    await deleteMember(tx, member.id);
  }

  async #endAccess(tx: OrgTx, caller: Caller, userId: string, reason: string): Promise<void> {
    await this.sessions.end(tx, caller, { userId }, reason);
    await this.keys.end(tx, caller, { ownerId: userId }, reason);
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
  requireHeld(caller, permissionsOf(role, caller.org.kind));
}

export function memberView(row: MemberRow): MemberView {
  return {
    user: { id: row.id, email: row.email, name: row.name },
    role: { id: row.role_id, name: row.role_name },
    status: row.status,
    createdAt: row.created_at.toISOString(),
  };
}
