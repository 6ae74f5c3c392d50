import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { type Caller, newId, type Page, pageOf, randomText, readPage } from '#kernel';
import { MasterKey } from '#secrets';
import type { HookView, NewHookView } from '../policy/policy.contract.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { type HookRow, insertHook, readHooks, revokeHook } from './gate.store.ts';

/** Hooks by which external gates call back; each has a secret of its own, shown once. */
@Injectable()
export class Hooks {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly masterKey: MasterKey,
  ) {}

  async list(caller: Caller, query: { limit?: number; cursor?: string }): Promise<Page<HookView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readHooks(tx, limit + 1, before));
    return pageOf(rows, limit, hookView);
  }

  async create(caller: Caller, name: string): Promise<NewHookView> {
    const [id, secret] = [newId(), randomText(32)];
    const wrapped = this.masterKey.wrap(Buffer.from(secret), hookContext(caller.org.id, id));
    return this.database.inOrg(caller, async (tx) => {
      const createdAt = await insertHook(tx, id, name, wrapped);
      await this.audit.append(tx, caller, {
        action: 'rollout_hook.created',
        target: { type: 'rollout_hook', id },
        changes: { name: { to: name } },
      });
      const path = `/api/v1/rollout-callbacks/${id}`;
      return { id, name, createdAt: createdAt.toISOString(), revokedAt: null, secret, path };
    });
  }

  async revoke(caller: Caller, id: string): Promise<void> {
    await this.database.inOrg(caller, async (tx) => {
      if (!(await revokeHook(tx, id))) throw RolloutFault.hook_not_found();
      await this.audit.append(tx, caller, {
        action: 'rollout_hook.revoked',
        target: { type: 'rollout_hook', id },
      });
    });
  }
}

export const hookContext = (orgId: string, id: string): string => `rollout_hook:${orgId}:${id}`;

function hookView(row: HookRow): HookView {
  return {
    id: row.id,
    name: row.name,
    createdAt: row.created_at.toISOString(),
    revokedAt: row.revoked_at?.toISOString() ?? null,
  };
}
