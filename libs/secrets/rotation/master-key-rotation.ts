import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type InvalidationListener, InvalidationStream, type SystemTx } from '#database';
import type { Caller } from '#kernel';
import { MasterKey } from '../master-key.ts';
import { SecretFault } from '../secrets.faults.ts';
import {
  lockDerivedPepper,
  lockMasterKeyCheck,
  lockWrapped,
  readMasterKeyCheck,
  setMasterKeyCheck,
  storePepper,
  storeWrapped,
} from './rewrap.store.ts';
import type { RewrappedView } from './rotation.contract.ts';
import { wrappedColumns } from './wrapped-columns.ts';

type Counts = Omit<RewrappedView, 'changed'>;

/**
 * Lets the current master key take over from the previous one: what that wrapped is wrapped anew, no secret is
 * encrypted anew. Each replica hears of it as of a revocation, so that when it answers none wraps by the previous key.
 */
@Injectable()
export class MasterKeyRotation implements InvalidationListener, OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly masterKey: MasterKey,
    private readonly stream: InvalidationStream,
  ) {}

  onModuleInit(): void {
    this.stream.listen(this);
  }

  /** Without asking the database: who has two keys can only have the new one to turn to. */
  dropped(subjects: readonly string[]): void {
    if (subjects.includes('master_key')) this.masterKey.advance();
  }

  /** The news may have been missed. Until the answer is here, what is wrapped is what every process can open. */
  lapsed(): void {
    if (!this.masterKey.isStaged) return;
    void this.database
      .acrossOrgs('system_state', readMasterKeyCheck)
      .then((checkValue) => this.masterKey.establish(checkValue))
      .catch(() => undefined);
  }

  /**
   * All or nothing. May be repeated: what a process wrapped by the previous key at the very moment of the change is
   * found then. Fault: `secrets.wrong_master_key`, where this process has not the key the database is of.
   */
  async rewrap(caller: Caller): Promise<RewrappedView> {
    const done = await this.database.acrossOrgsFor('deployment_keys', caller, async (tx) => {
      if (!this.masterKey.establish(await lockMasterKeyCheck(tx))) throw SecretFault.wrong_master_key();
      const counts: Counts = {
        orgKeys: 0,
        signingKeys: 0,
        keyPeppers: 0,
        auditKeys: 0,
        factors: 0,
        rollouts: 0,
      };
      if (this.masterKey.isStaged) counts.keyPeppers += await this.#keepDerivedPepper(tx);
      for (const column of wrappedColumns) {
        const rows = (await lockWrapped(tx, column)).flatMap(({ context, wrapped }) => {
          const anew = this.masterKey.rewrap(wrapped, context);
          return anew === undefined ? [] : [{ context, wrapped: anew }];
        });
        if (rows.length > 0) await storeWrapped(tx, column, rows);
        counts[column.counted] += rows.length;
      }
      if (this.masterKey.isStaged) await setMasterKeyCheck(tx, this.masterKey.currentCheckValue);
      else if (!isAny(counts)) return counts;
      await this.audit.append(tx, caller, {
        action: 'master_key.rewrapped',
        target: { type: 'deployment', id: caller.org.id },
        changes: { ...counts },
      });
      return counts;
    });
    this.masterKey.advance();
    return { changed: isAny(done), ...done };
  }

  /** What followed from the previous key alone would be lost with it: from now on it is stored, wrapped. */
  async #keepDerivedPepper(tx: SystemTx): Promise<number> {
    const id = await lockDerivedPepper(tx);
    if (id === undefined) return 0;
    const pepper = this.masterKey.derive('api-keys');
    await storePepper(tx, id, this.masterKey.wrapByCurrent(pepper, `key_pepper:${id}`));
    return 1;
  }
}

function isAny(counts: Counts): boolean {
  return Object.values(counts).some((count) => count > 0);
}
