import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Sessions } from '#auth';
import type { OrgTx } from '#database';
import type { Caller } from '#kernel';
import { deleteServiceAccount, revokeApiKeys } from './key.store.ts';
import { readServiceAccountsOf } from './member.store.ts';

/** Why a member's access ends; every record of what ended with it says so. */
type Cause = 'member_removed' | 'member_left' | 'membership_disabled';

/** What ends with a membership: one cascade, whoever ends it. In the transaction of the use case. */
@Injectable()
export class MemberAccess {
  constructor(
    private readonly audit: Audit,
    private readonly sessions: Sessions,
  ) {}

  /** Sessions, and the keys this person answers for. */
  async end(tx: OrgTx, caller: Caller, userId: string, reason: Cause): Promise<void> {
    await this.sessions.end(tx, caller, { userId, orgId: tx.orgId }, reason);
    await this.#endKeys(tx, caller, { ownerId: userId }, reason);
  }

  /** Those nobody took over, with their keys, whoever answers for those. */
  async endServiceAccounts(tx: OrgTx, caller: Caller, ownerId: string, reason: Cause): Promise<void> {
    for (const id of await readServiceAccountsOf(tx, ownerId)) {
      await this.#endKeys(tx, caller, { serviceAccountId: id }, reason);
      await deleteServiceAccount(tx, id);
      const target = { type: 'service_account', id };
      await this.audit.append(tx, caller, { action: 'service_account.deleted', target, reason });
    }
  }

  async #endKeys(
    tx: OrgTx,
    caller: Caller,
    selection: { ownerId: string } | { serviceAccountId: string },
    reason: Cause,
  ): Promise<void> {
    for (const id of await revokeApiKeys(tx, selection, reason)) {
      const target = { type: 'api_key', id };
      await this.audit.append(tx, caller, { action: 'api_key.revoked', target, reason });
    }
  }
}
