import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { Audit, bySystem } from '#audit';
import { Database } from '#database';
import { type Caller, newId } from '#kernel';
import { MasterKey } from '#secrets';
import { platformOrgId } from '../platform-org.store.ts';
import type { KeyPeppersView } from './api-key.contract.ts';
import { insertPepper, type PepperUse, readPepperUses, retirePeppers } from './pepper.store.ts';

/** The peppers of API keys: a new one is used from now on, an old one ends when no live key needs it any more. */
@Injectable()
export class PepperRotation {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly masterKey: MasterKey,
  ) {}

  async list(caller: Caller): Promise<KeyPeppersView> {
    return view(await this.database.acrossOrgsFor('deployment_keys', caller, readPepperUses));
  }

  /** No key ends by this: each moves to the new pepper when it is used or rotated next. */
  async rotate(caller: Caller): Promise<KeyPeppersView> {
    const id = newId();
    const wrapped = this.masterKey.wrap(randomBytes(32), `key_pepper:${id}`);
    const uses = await this.database.acrossOrgsFor('deployment_keys', caller, async (tx) => {
      await insertPepper(tx, id, wrapped);
      await this.audit.append(tx, caller, {
        action: 'key_pepper.created',
        target: { type: 'key_pepper', id },
      });
      return readPepperUses(tx);
    });
    return view(uses);
  }

  /** Erases what is no longer used. For housekeeping. */
  async keep(): Promise<void> {
    await this.database.acrossOrgs('housekeeping', async (tx) => {
      const orgId = await platformOrgId(tx);
      if (orgId === undefined) return;
      for (const id of await retirePeppers(tx)) {
        await this.audit.record(tx, {
          ...bySystem('housekeeping'),
          orgId,
          action: 'key_pepper.retired',
          target: { type: 'key_pepper', id },
          outcome: 'success',
        });
      }
    });
  }
}

function view(uses: readonly PepperUse[]): KeyPeppersView {
  return {
    items: uses.map((use, index) => ({
      id: use.id,
      current: index === 0,
      liveKeys: use.live_keys,
      createdAt: use.created_at.toISOString(),
      retiredAt: use.retired_at?.toISOString() ?? null,
    })),
  };
}
