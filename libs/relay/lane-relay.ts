import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, SystemReason, SystemTx } from '#database';
import { type Clock, newId } from '#kernel';
import { laneKey, type LaneParts, type LeasedLane } from './leased-lane.ts';
import type { ClaimLimits, Hold, LeaseTable } from './lease.store.ts';
import type { RelayTiming } from './relay-timing.ts';
import { Turns } from './turns.ts';

/** A lane holds at most a batch in memory, so this bounds what all of them hold. */
const MOST_LANES = 100;
/** Transactions of all lanes at once: the pool is for requests too. */
const AT_ONCE = 3;
const ADD_LANES_EVERY_MS = 5_000;
const STOP_WITHIN_MS = 3_500;

/** A kind of lanes: where they stand, and how one is worked off. */
export interface LaneSource<Claimed, News extends { readonly key: readonly [string, string] }> {
  readonly reason: SystemReason;
  readonly leases: LeaseTable;
  /** Adds lanes that should be there. */
  add(tx: SystemTx): Promise<void>;
  /** Takes leases on lanes that have something to do and that nobody works off. */
  claim(tx: SystemTx, owner: string, limits: ClaimLimits): Promise<Claimed[]>;
  /** What there is to know of the lanes that are still this owner's. */
  look(tx: SystemTx, owner: string, held: readonly Hold[]): Promise<News[]>;
  open(claimed: Claimed, parts: LaneParts, claimedAt: number): LeasedLane<News>;
}

/**
 * Works lanes off. Any number of processes may: each lane has one holder at a time, by a lease that ends by itself
 * and a fence that the holder before cannot write past. Nobody who makes the work waits for any of this.
 */
export class LaneRelay<Claimed, News extends { readonly key: readonly [string, string] }> {
  readonly #lanes = new Map<string, LeasedLane<News>>();
  readonly #runs = new Set<Promise<void>>();
  readonly #owner = newId();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #stopped = false;
  #lanesAddedAt = -Infinity;
  #onFailure: (error: unknown) => void = () => undefined;
  readonly #parts: LaneParts;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly timing: RelayTiming,
    private readonly source: LaneSource<Claimed, News>,
  ) {
    const { reason, leases } = source;
    const turns = new Turns(AT_ONCE);
    this.#parts = { database, clock, timing, turns, owner: this.#owner, reason, leases };
  }

  start(onFailure: (error: unknown) => void): void {
    this.#onFailure = onFailure;
    this.#timer = setInterval(() => this.#tick(), this.timing.lookMs);
    this.#timer.unref();
  }

  /** Looks at once, for somebody here knows of new work; other processes find it when they look. */
  hurry(): void {
    if (this.#timer && !this.#stopped) this.#tick();
  }

  /** Lets what is under way end, in order where a receiver takes part in that, and gives all lanes back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#looking;
    for (const lane of this.#lanes.values()) lane.stop();
    await Promise.race([Promise.all(this.#runs), sleep(STOP_WITHIN_MS, undefined, { ref: false })]);
    for (const lane of this.#lanes.values()) lane.abort();
  }

  #tick(): void {
    for (const lane of this.#lanes.values()) if (lane.leaseIsOver) lane.abort();
    this.#looking ??= this.#look()
      .catch(this.#onFailure)
      .finally(() => (this.#looking = undefined));
  }

  async #look(): Promise<void> {
    if (this.#lanes.size > 0) await this.#hear();
    const room = MOST_LANES - this.#lanes.size;
    if (this.#stopped) return;
    if (room <= 0) return this.#makeRoom();
    const { leaseMs, backOff } = this.timing;
    const claimedAt = this.clock.monotonic();
    const addLanesNow = claimedAt - this.#lanesAddedAt > ADD_LANES_EVERY_MS;
    if (addLanesNow) this.#lanesAddedAt = claimedAt;
    const claimed = await this.database.acrossOrgs(this.source.reason, async (tx) => {
      if (addLanesNow) await this.source.add(tx);
      return this.source.claim(tx, this.#owner, { leaseMs, longestMs: backOff.longestMs, limit: room });
    });
    for (const one of claimed) this.#run(this.source.open(one, this.#parts, claimedAt));
  }

  async #hear(): Promise<void> {
    const askedAt = this.clock.monotonic();
    const holds = [...this.#lanes.values()].map(({ hold }) => hold);
    const news = await this.database.acrossOrgs(this.source.reason, async (tx) => {
      await this.source.leases.renew(tx, this.#owner, holds, this.timing.leaseMs);
      return this.source.look(tx, this.#owner, holds);
    });
    const held = new Set<string>();
    for (const one of news) {
      held.add(laneKey(one.key));
      this.#lanes.get(laneKey(one.key))?.hear(one, askedAt);
    }
    for (const { key } of holds) if (!held.has(laneKey(key))) this.#lanes.get(laneKey(key))?.abort();
  }

  /** Others wait: who has had nothing to do for a while gives the place to them. */
  #makeRoom(): void {
    const now = this.clock.monotonic();
    for (const lane of this.#lanes.values()) {
      if (lane.idleSince !== undefined && now - lane.idleSince > 4 * this.timing.lookMs) lane.stop();
    }
  }

  #run(lane: LeasedLane<News>): void {
    this.#lanes.get(lane.key)?.abort();
    this.#lanes.set(lane.key, lane);
    const run = lane
      .run()
      .catch(this.#onFailure)
      .finally(() => {
        if (this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key);
        this.#runs.delete(run);
      });
    this.#runs.add(run);
  }
}
