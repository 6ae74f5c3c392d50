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
import { type WrappedColumn, wrappedColumns } from './wrapped-columns.ts';

type Counts = Omit<RewrappedView, 'changed'>;
const NOTHING: Counts = {
  orgKeys: 0,
  signingKeys: 0,
  keyPeppers: 0,
  auditKeys: 0,
  factors: 0,
  rollouts: 0,
  unreadable: 0,
};

/** Rows in one transaction, and transactions in one request. */
const BATCH = 500;
const BATCHES = 40;

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
   * The current key takes over, then wraps anew what the previous one has wrapped: in transactions of a bounded size,
   * each on the record, and so many of them as one request may take. It goes on where it stood when it is asked again,
   * also after a process that died in it; processes have both keys until it answers that nothing is left. Fault:
   * `secrets.wrong_master_key`, where this process has not the key the database is of.
   */
  async rewrap(caller: Caller): Promise<RewrappedView> {
    const counts: Counts = { ...NOTHING };
    await this.#takeOver(caller, counts);
    let left = BATCHES;
    for (const column of wrappedColumns) {
      for (let after: string | undefined = ''; after !== undefined && left > 0; left -= 1) {
        after = await this.#rewrapSome(caller, column, after, counts);
      }
    }
    return { changed: left === 0 || isAny(counts), ...counts };
  }

  async #takeOver(caller: Caller, counts: Counts): Promise<void> {
    const peppers = await this.database.acrossOrgsFor('deployment_keys', caller, async (tx) => {
      if (!this.masterKey.establish(await lockMasterKeyCheck(tx))) throw SecretFault.wrong_master_key();
      if (!this.masterKey.isStaged) return 0;
      const kept = await this.#keepDerivedPepper(tx);
      await setMasterKeyCheck(tx, this.masterKey.currentCheckValue);
      await this.#record(tx, caller, { ...NOTHING, keyPeppers: kept });
      return kept;
    });
    this.masterKey.advance();
    counts.keyPeppers += peppers;
  }

  /** Answers where to go on; undefined where nothing of the column is left. */
  async #rewrapSome(
    caller: Caller,
    column: WrappedColumn,
    after: string,
    counts: Counts,
  ): Promise<string | undefined> {
    const done = await this.database.acrossOrgsFor('deployment_keys', caller, async (tx) => {
      // One at a time, and not while another process has yet to hear who wraps.
      await lockMasterKeyCheck(tx);
      const rows = await lockWrapped(tx, column, this.masterKey.currentId, after, BATCH);
      const anew = rows.flatMap(({ context, wrapped }) => this.#rewrapped(context, wrapped));
      if (anew.length > 0) {
        await storeWrapped(tx, column, anew);
        await this.#record(tx, caller, { ...NOTHING, [column.counted]: anew.length });
      }
      return { rows: rows.length, anew: anew.length, last: rows.at(-1)?.context };
    });
    counts[column.counted] += done.anew;
    counts.unreadable += done.rows - done.anew;
    return done.rows < BATCH ? undefined : done.last;
  }

  /** Nothing where neither key opens it: what was damaged must not keep all else from being wrapped. */
  #rewrapped(context: string, wrapped: string): { context: string; wrapped: string }[] {
    try {
      const anew = this.masterKey.rewrap(wrapped, context);
      return anew === undefined ? [] : [{ context, wrapped: anew }];
    } catch {
      return [];
    }
  }

  async #record(tx: SystemTx, caller: Caller, { unreadable: _, ...counts }: Counts): Promise<void> {
    await this.audit.append(tx, caller, {
      action: 'master_key.rewrapped',
      target: { type: 'deployment', id: caller.org.id },
      changes: { ...counts },
    });
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

function isAny({ unreadable: _, ...counts }: Counts): boolean {
  return Object.values(counts).some((count) => count > 0);
}
