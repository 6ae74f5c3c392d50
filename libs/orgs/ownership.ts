import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type OrgTx } from '#database';
import type { Caller } from '#kernel';
import { requireHeld } from './grant-ceiling.ts';
import { lockMember, lockMemberships, type MemberRow, updateMember } from './member.store.ts';
import { memberView } from './members.ts';
import type { MemberView, TransferOwnershipRequest } from './org.contract.ts';
import { OrgFault } from './org.faults.ts';
import { permissionsOf, roleNamed } from './roles.ts';

/** Handing the ownership of an organization on: one transaction, so that it has an owner at every moment. */
@Injectable()
export class Ownership {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  /** Answers the new owner. A custom role may hold the permission, but only an owner has something to hand on. */
  async transfer(caller: Caller, request: TransferOwnershipRequest): Promise<MemberView> {
    return this.database.inOrg(caller, async (tx) => {
      await lockMemberships(tx);
      const before = await lockMember(tx, caller.id, tx.orgId);
      const owner = await roleNamed(tx, tx.orgId, { role: 'owner' });
      requireHeld(caller, permissionsOf(owner, caller.org.kind));
      if (before?.built_in !== 'owner') throw OrgFault.not_owner();
      const kept = await roleNamed(tx, tx.orgId, { role: request.role ?? 'admin' });
      const heir = await this.#heir(tx, request.userId, caller);
      await updateMember(tx, heir.id, { roleId: owner.id, status: heir.status });
      await updateMember(tx, caller.id, { roleId: kept.id, status: before.status });
      await this.audit.append(tx, caller, {
        action: 'org.ownership_transferred',
        target: { type: 'user', id: heir.id, display: heir.email },
        changes: { role: { from: heir.role_name, to: owner.name }, previousOwner: { to: caller.id } },
      });
      await this.audit.append(tx, caller, {
        action: 'member.updated',
        target: { type: 'user', id: caller.id, display: before.email },
        reason: 'ownership_transferred',
        changes: { role: { from: before.role_name, to: kept.name } },
      });
      return memberView({ ...heir, role_id: owner.id, role_name: owner.name });
    });
  }

  async #heir(tx: OrgTx, userId: string, caller: Caller): Promise<MemberRow> {
    const heir = await lockMember(tx, userId, tx.orgId);
    if (!heir) throw OrgFault.member_not_found();
    const usable = heir.status === 'active' && heir.account_status === 'active' && heir.id !== caller.id;
    if (!usable) throw OrgFault.cannot_be_owner({ errors: [{ path: 'userId', message: 'cannot be owner' }] });
    return heir;
  }
}
