import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { KeyRevocation, Sessions } from '#auth';
import { Database, type SystemTx } from '#database';
import { type Caller, callerIn, type Page, pageOf, readPage } from '#kernel';
import { requireHeld } from '../grant-ceiling.ts';
import { hasOtherOwner } from '../member.store.ts';
import { OrgFault } from '../org.faults.ts';
import { lockOrg } from '../org.store.ts';
import { memberRole } from '../role.store.ts';
import { permissionsOf } from '../roles.ts';
import type { AccountsQuery, AccountView, UpdateAccountRequest } from './account.contract.ts';
import {
  type AccountRow,
  endChallenges,
  lockAccount,
  readAccounts,
  setAccountStatus,
} from './account.store.ts';

/** People's accounts, which belong to no organization: platform operators find and disable them. */
@Injectable()
export class Accounts {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly sessions: Sessions,
    private readonly keys: KeyRevocation,
  ) {}

  async list(caller: Caller, query: AccountsQuery): Promise<Page<AccountView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.acrossOrgsFor('manage_accounts', caller, (tx) =>
      readAccounts(tx, query.email, limit + 1, before),
    );
    return pageOf(rows, limit, accountView);
  }

  /**
   * From the answer on a disabled person is refused on every replica, in every organization. Either way everything
   * of theirs ends: what was there before never comes back by enabling, a sign-in that was under way included.
   */
  async setStatus(caller: Caller, id: string, { status }: UpdateAccountRequest): Promise<AccountView> {
    return this.database.acrossOrgsFor('manage_accounts', caller, async (tx) => {
      // Against the platform's other owners, who may be leaving, or disabling one another.
      await lockOrg(tx, caller.org.id);
      const account = await lockAccount(tx, id);
      if (!account) throw OrgFault.user_not_found();
      if (status === account.status) return accountView(account);
      if (id === caller.userId) throw OrgFault.own_account();
      await this.#requireMayTouch(tx, caller, id, status);
      await this.#record(tx, caller, account, status);
      await this.#endEverything(
        tx,
        caller,
        account,
        status === 'disabled' ? 'account_disabled' : 'account_enabled',
      );
      await setAccountStatus(tx, id, status);
      return accountView({ ...account, status });
    });
  }

  /** An operator touches no colleague who holds more in the platform than they do, and its last owner stays. */
  async #requireMayTouch(tx: SystemTx, caller: Caller, id: string, status: string): Promise<void> {
    const role = await memberRole(tx, caller.org.id, id);
    if (!role) return;
    requireHeld(caller, permissionsOf(role, caller.org.kind));
    const owner = status === 'disabled' && role.built_in === 'owner';
    if (owner && !(await hasOtherOwner(tx, caller.org.id, id))) throw OrgFault.last_owner();
  }

  /** In the platform's log and in that of each organization this person is a member of. */
  async #record(tx: SystemTx, caller: Caller, account: AccountRow, status: string): Promise<void> {
    const elsewhere = account.organizations.map((org) => org.id).filter((id) => id !== caller.org.id);
    for (const orgId of [caller.org.id, ...elsewhere]) {
      await this.audit.append(tx, callerIn(caller, { ...caller.org, id: orgId }), {
        action: status === 'disabled' ? 'user.disabled' : 'user.enabled',
        target: { type: 'user', id: account.id, display: account.email },
        changes: { status: { from: account.status, to: status } },
      });
    }
  }

  async #endEverything(tx: SystemTx, caller: Caller, account: AccountRow, reason: string): Promise<void> {
    await endChallenges(tx, account.id);
    await this.sessions.end(tx, caller, { userId: account.id }, reason);
    for (const { id } of account.organizations) {
      const there = callerIn(caller, { ...caller.org, id });
      await this.keys.end(tx, there, { ownerId: account.id }, reason);
    }
  }
}

function accountView({ created_at, ...row }: AccountRow): AccountView {
  return { ...row, createdAt: created_at.toISOString() };
}
