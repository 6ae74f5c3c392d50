import { Injectable } from '@nestjs/common';
import { AuthFault, Factors, type MemberFactorsView, rolePermissions } from '#auth';
import { Database, type SystemTx } from '#database';
import type { Caller } from '#kernel';
import { requireHeld } from '../grant-ceiling.ts';
import { OrgFault } from '../org.faults.ts';
import { belongsElsewhere, findUser, readMemberRole } from './member-factors.store.ts';

/**
 * Factors that their owner has lost. They are the person's own and serve in every organization they belong to, so
 * an organization resets them only where it is the only one; platform operators always may.
 */
@Injectable()
export class MemberFactors {
  constructor(
    private readonly database: Database,
    private readonly factors: Factors,
  ) {}

  async list(caller: Caller, userId: string): Promise<MemberFactorsView> {
    return this.database.acrossOrgsFor('manage_members', caller, async (tx) => {
      if (!(await readMemberRole(tx, caller.org.id, userId))) throw OrgFault.member_not_found();
      return { items: await this.factors.of(tx, userId) };
    });
  }

  async reset(caller: Caller, userId: string, factorId: string): Promise<void> {
    await this.database.acrossOrgsFor('manage_members', caller, async (tx) => {
      if (!(await this.#requireNotAbove(tx, caller, userId))) throw OrgFault.member_not_found();
      const isPlatform = caller.org.kind === 'platform';
      if (!isPlatform && (await belongsElsewhere(tx, userId, caller.org.id)))
        throw AuthFault.factors_shared();
      await this.factors.reset(tx, caller, userId, factorId);
    });
  }

  /** For platform operators: of anybody. */
  async listOfAny(caller: Caller, userId: string): Promise<MemberFactorsView> {
    return this.database.acrossOrgsFor('manage_tenants', caller, async (tx) => {
      if (!(await findUser(tx, userId))) throw OrgFault.member_not_found();
      return { items: await this.factors.of(tx, userId) };
    });
  }

  async resetOfAny(caller: Caller, userId: string, factorId: string): Promise<void> {
    await this.database.acrossOrgsFor('manage_tenants', caller, async (tx) => {
      if (!(await findUser(tx, userId))) throw OrgFault.member_not_found();
      await this.#requireNotAbove(tx, caller, userId);
      await this.factors.reset(tx, caller, userId, factorId);
    });
  }

  /** Who holds less than a member resets nothing of theirs. False for people who are no members here. */
  async #requireNotAbove(tx: SystemTx, caller: Caller, userId: string): Promise<boolean> {
    const role = await readMemberRole(tx, caller.org.id, userId);
    if (!role) return false;
    const { built_in: builtIn, permissions } = role;
    requireHeld(caller, rolePermissions({ builtIn, permissions }, caller.org.kind));
    return true;
  }
}
