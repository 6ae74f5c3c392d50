import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import type { Caller } from '#kernel';
import type { PersonList, PersonRequest } from '../policy/policy.contract.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { areMembers, deleteLink, insertLink, readLinks } from './person.store.ts';

/** Which accounts are one human, as administrators declare it. */
@Injectable()
export class Persons {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  async list(caller: Caller): Promise<PersonList> {
    const links = await this.database.inOrg(caller, (tx) => readLinks(tx, tx.orgId));
    return { items: links.map(([userId, sameAs]) => ({ userId, sameAs })) };
  }

  async link(caller: Caller, { userId, sameAs }: PersonRequest): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      if (userId === sameAs || !(await areMembers(tx, [userId, sameAs])))
        throw RolloutFault.same_person_bad();
      await this.audit.append(tx, caller, {
        action: 'rollout_person.linked',
        target: { type: 'user', id: userId },
        changes: { sameAs: { to: sameAs } },
      });
      await insertLink(tx, userId, sameAs);
    });
  }

  async unlink(caller: Caller, { userId, sameAs }: PersonRequest): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      if (!(await deleteLink(tx, userId, sameAs))) throw RolloutFault.same_person_bad();
      await this.audit.append(tx, caller, {
        action: 'rollout_person.unlinked',
        target: { type: 'user', id: userId },
        changes: { sameAs: { from: sameAs } },
      });
    });
  }
}
