import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { KeyRevocation, rolePermissions } from '#auth';
import { Database, type OrgTx } from '#database';
import { type Caller, newId, type Page, pageOf, readPage } from '#kernel';
import { requireHeld } from './grant-ceiling.ts';
import { lockMember } from './member.store.ts';
import type { CreateServiceAccountRequest, ServiceAccountView } from './org.contract.ts';
import { OrgFault } from './org.faults.ts';
import { roleNamed } from './roles.ts';
import {
  changeAccountOwner,
  deleteServiceAccount,
  insertServiceAccount,
  lockAccountsOf,
  lockServiceAccount,
  readAccountPermissions,
  readServiceAccounts,
  type ServiceAccountRow,
} from './service-account.store.ts';

/** Service accounts. A person answers for each, and it ends with their membership unless it was handed over. */
@Injectable()
export class ServiceAccounts {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly keys: KeyRevocation,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<ServiceAccountView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readServiceAccounts(tx, limit + 1, before));
    return pageOf(rows, limit, accountView);
  }

  async create(caller: Caller, request: CreateServiceAccountRequest): Promise<ServiceAccountView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await insertServiceAccount(tx, {
        id: newId(),
        name: request.name,
        description: request.description ?? '',
        ownerId: caller.userId ?? caller.id,
      });
      if (!row) throw OrgFault.service_account_exists({ errors: [{ path: 'name', message: 'is taken' }] });
      await this.audit.append(tx, caller, {
        action: 'service_account.created',
        target: { type: 'service_account', id: row.id },
        changes: { name: { to: row.name } },
      });
      return accountView(row);
    });
  }

  /**
   * Makes another member answer for an account and its keys. Nobody gives by it what they do not hold, and nobody
   * gets to answer for what they do not hold. Faults: `org.service_account_not_found`, `org.bad_owner`,
   * `org.grant_ceiling`, `org.owner_lacks`.
   */
  async handOver(caller: Caller, id: string, ownerId: string): Promise<ServiceAccountView> {
    return this.database.inOrg(caller, async (tx) => {
      const account = await lockServiceAccount(tx, id);
      if (!account) throw OrgFault.service_account_not_found();
      const owner = await lockMember(tx, ownerId, tx.orgId);
      if (owner?.status !== 'active') {
        throw OrgFault.bad_owner({ errors: [{ path: 'ownerId', message: 'must be an active member' }] });
      }
      const granted = await readAccountPermissions(tx, id);
      requireHeld(caller, granted);
      const role = await roleNamed(tx, tx.orgId, { roleId: owner.role_id });
      const held = rolePermissions(
        { builtIn: role.built_in, permissions: role.permissions },
        caller.org.kind,
      );
      const permission = granted.find((name) => !held.has(name));
      if (permission !== undefined) throw OrgFault.owner_lacks({ data: { permission } });
      await changeAccountOwner(tx, id, ownerId);
      await this.audit.append(tx, caller, {
        action: 'service_account.updated',
        target: { type: 'service_account', id },
        changes: { ownerId: { from: account.owner_id, to: ownerId } },
      });
      return accountView({ ...account, owner_id: ownerId });
    });
  }

  /** With its keys, which end at once. */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      // Locked first: nobody makes it a key that would go without a record.
      if (!(await lockServiceAccount(tx, id))) throw OrgFault.service_account_not_found();
      await this.keys.end(tx, caller, { serviceAccountId: id }, 'service_account_deleted');
      await deleteServiceAccount(tx, id);
      await this.audit.append(tx, caller, {
        action: 'service_account.deleted',
        target: { type: 'service_account', id },
      });
    });
  }

  /** Ends what a leaving member answers for: keys, theirs and their accounts', then the accounts. */
  async endOf(tx: OrgTx, caller: Caller, ownerId: string, reason: string): Promise<void> {
    const accounts = await lockAccountsOf(tx, ownerId);
    await this.keys.end(tx, caller, { ownerId }, reason);
    for (const id of accounts) {
      await deleteServiceAccount(tx, id);
      await this.audit.append(tx, caller, {
        action: 'service_account.deleted',
        target: { type: 'service_account', id },
        reason,
      });
    }
  }
}

function accountView(row: ServiceAccountRow): ServiceAccountView {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    ownerId: row.owner_id,
    createdAt: row.created_at.toISOString(),
  };
}
