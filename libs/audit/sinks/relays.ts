import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '#database';
import { Clock, newId } from '#kernel';
import { Lane, laneKey, type LaneParts } from './lane.ts';
import { addLanes, claimLanes, renewLeases } from './lane.store.ts';
import { Receivers } from './receivers.ts';
import { SinkConfig } from './sink.config.ts';
import { Turns } from './turns.ts';

/** A lane holds at most a batch in memory, so this bounds what all of them hold. */
const MOST_LANES = 100;
/** Transactions of all lanes at once: the pool is for requests too. */
const AT_ONCE = 3;
const ADD_LANES_EVERY_MS = 5_000;
const STOP_WITHIN_MS = 3_500;

/**
 * Works lanes off. Any number of processes may: each lane has one holder at a time, by a lease that ends by itself
 * and a fence that the holder before cannot write past. Nobody who writes to a log waits for any of this.
 */
@Injectable()
export class SinkRelays implements OnModuleDestroy {
  readonly #lanes = new Map<string, Lane>();
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
    private readonly config: SinkConfig,
    receivers: Receivers,
  ) {
    const { timing } = config;
    this.#parts = { database, receivers, clock, timing, turns: new Turns(AT_ONCE), owner: this.#owner };
  }

  start(onFailure: (error: unknown) => void): void {
    this.#onFailure = onFailure;
    this.#timer = setInterval(() => this.#tick(), this.config.timing.lookMs);
    this.#timer.unref();
  }

  /** Lets what is under way end, in order where a receiver takes part in that, and gives all lanes back. */
  async onModuleDestroy(): Promise<void> {
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
    const { leaseMs, backOff } = this.config.timing;
    const claimedAt = this.clock.monotonic();
    const addLanesNow = claimedAt - this.#lanesAddedAt > ADD_LANES_EVERY_MS;
    if (addLanesNow) this.#lanesAddedAt = claimedAt;
    const claimed = await this.database.acrossOrgs('audit_sinks', async (tx) => {
      if (addLanesNow) await addLanes(tx);
      return claimLanes(tx, this.#owner, { leaseMs, longestMs: backOff.longestMs, limit: room });
    });
    for (const one of claimed) this.#run(new Lane(one, this.#parts, claimedAt));
  }

  async #hear(): Promise<void> {
    const askedAt = this.clock.monotonic();
    const holds = [...this.#lanes.values()].map(({ hold }) => hold);
    const news = await this.database.acrossOrgs('audit_sinks', (tx) =>
      renewLeases(tx, this.#owner, holds, this.config.timing.leaseMs),
    );
    const held = new Set<string>();
    for (const one of news) {
      held.add(laneKey(one));
      this.#lanes.get(laneKey(one))?.hear(one, askedAt);
    }
    for (const { sinkId, logOrgId } of holds) {
      const key = laneKey({ sink_id: sinkId, log_org_id: logOrgId });
      if (!held.has(key)) this.#lanes.get(key)?.abort();
    }
  }

  /** Others wait: who has had nothing to do for a while gives the place to them. */
  #makeRoom(): void {
    const now = this.clock.monotonic();
    for (const lane of this.#lanes.values()) {
      if (lane.idleSince !== undefined && now - lane.idleSince > 4 * this.config.timing.lookMs) lane.stop();
    }
  }

  #run(lane: Lane): void {
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
