import { Injectable, type OnModuleInit } from '@nestjs/common';
import { SystemGate } from '#access';
import { Database, type InvalidationListener, InvalidationStream } from '#database';
import { Clock, type Fault, newId, StartError } from '#kernel';
import { MasterKey } from '#secrets';
import { SystemFault } from '../platform.faults.ts';
import { type ReadOnlyOrder, readOrder } from './state.store.ts';

/** Another process may set the system up; while it is not, we look again this often. */
const LOOK_AGAIN_MS = 500;
const RETRY_AFTER_S = 30;

/** Why the system is read-only: an operator's order, or what a process found by itself. */
export const readOnlyCodes = ['operator', 'disk_nearly_full', 'audit_unwritable', 'restored_behind'] as const;

export interface ReadOnlyReason {
  readonly code: (typeof readOnlyCodes)[number];
  readonly detail: string;
}

/**
 * The state of the deployment: `setup-needed`, then `operational` or `read-only`. The guard asks it first. What an
 * operator ordered is remembered only under the invalidation lease, as authority is: when the order has answered, no
 * replica lets a change in any more, and one that is cut off asks the database each time.
 */
@Injectable()
export class SystemState extends SystemGate implements InvalidationListener, OnModuleInit {
  #setUp = false;
  #lookedAt = -Infinity;
  /** Undefined where it is not known; null where nothing is ordered. */
  #order: ReadOnlyOrder | null | undefined;
  /** Counts the news: what was read before any of them is not kept. */
  #news = 0;
  #found: readonly ReadOnlyReason[] = [];

  constructor(
    private readonly database: Database,
    private readonly masterKey: MasterKey,
    private readonly clock: Clock,
    private readonly stream: InvalidationStream,
  ) {
    super();
  }

  onModuleInit(): void {
    this.stream.listen(this);
  }

  dropped(subjects: readonly string[]): void {
    if (subjects.includes('system_state')) this.lapsed();
  }

  lapsed(): void {
    this.#news += 1;
    this.#order = undefined;
  }

  /** First thing at start: makes the deployment's row, or takes the master key that the database is of
   * out of those this process has; refuses where it has not that one. */
  async open(): Promise<void> {
    await this.database.acrossOrgs('system_state', async (tx) => {
      await tx.query('INSERT INTO deployment (id, master_key_check) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
        newId(),
        this.masterKey.checkValue,
      ]);
      const row = await tx.one<{ master_key_check: string }>('SELECT master_key_check FROM deployment');
      if (!row || !this.masterKey.establish(row.master_key_check)) {
        throw new StartError(
          'the master key is not the one this database was set up with; nothing was written',
        );
      }
    });
    await this.isSetUp();
  }

  async isSetUp(): Promise<boolean> {
    if (this.#setUp) return true;
    if (this.clock.monotonic() - this.#lookedAt < LOOK_AGAIN_MS) return false;
    this.#lookedAt = this.clock.monotonic();
    const row = await this.database.acrossOrgs('system_state', (tx) =>
      tx.one<{ set_up_at: Date | null }>('SELECT set_up_at FROM deployment'),
    );
    this.#setUp = (row?.set_up_at ?? null) !== null;
    return this.#setUp;
  }

  markSetUp(): void {
    this.#setUp = true;
  }

  /** What this process found that no change may be made on. Empty where all is well. */
  found(reasons: readonly ReadOnlyReason[]): void {
    this.#found = reasons;
  }

  /** Why the system is read-only now; empty where it is not. */
  async readOnlyReasons(): Promise<readonly ReadOnlyReason[]> {
    return this.#reasons(this.#known === undefined ? await this.#load() : this.#known);
  }

  refusal({
    duringSetup,
    write,
  }: {
    duringSetup: boolean;
    write: boolean;
  }): Fault | undefined | Promise<Fault | undefined> {
    if (duringSetup) return undefined;
    if (!this.#setUp) return this.#refusalOfNew(write);
    if (!write) return undefined;
    const order = this.#known;
    if (order === undefined) return this.#load().then((loaded) => refusalOf(this.#reasons(loaded)));
    return refusalOf(this.#reasons(order));
  }

  async #refusalOfNew(write: boolean): Promise<Fault | undefined> {
    if (!(await this.isSetUp())) return SystemFault.setup_needed({ retryAfter: 5 });
    return write ? refusalOf(await this.readOnlyReasons()) : undefined;
  }

  get #known(): ReadOnlyOrder | null | undefined {
    return this.stream.isFresh ? this.#order : undefined;
  }

  async #load(): Promise<ReadOnlyOrder | null> {
    const news = this.#news;
    const fresh = this.stream.isFresh;
    const order = (await this.database.acrossOrgs('system_state', readOrder)) ?? null;
    if (fresh && this.#news === news && this.stream.isFresh) this.#order = order;
    return order;
  }

  #reasons(order: ReadOnlyOrder | null): readonly ReadOnlyReason[] {
    return order === null ? this.#found : [{ code: 'operator', detail: order.reason }, ...this.#found];
  }
}

function refusalOf(reasons: readonly ReadOnlyReason[]): Fault | undefined {
  if (reasons.length === 0) return undefined;
  return SystemFault.read_only({ data: { reasons }, retryAfter: RETRY_AFTER_S });
}
