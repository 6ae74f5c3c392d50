import type { Database, SystemReason, SystemTx } from '#database';
import { DeliveryFailure } from '#egress';
import type { Clock } from '#kernel';
import { waitAfter } from './back-off.ts';
import type { Hold, LeaseTable } from './lease.store.ts';
import type { RelayTiming } from './relay-timing.ts';
import type { Turns } from './turns.ts';

/** The lane is another worker's by now, or may be: whatever is under way here counts for nothing. */
export class LeaseLost extends Error {}

/** What lanes share. */
export interface LaneParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly timing: RelayTiming;
  /** Bounds how much of the database's pool all lanes together take. */
  readonly turns: Turns;
  readonly owner: string;
  readonly reason: SystemReason;
  readonly leases: LeaseTable;
}

/** How a lane was found by whoever took its lease. */
export interface Claim {
  readonly key: readonly [string, string];
  readonly fence: string;
  readonly failures: number;
  readonly breaker: 'closed' | 'open' | 'half_open';
}

/**
 * Work in order that one worker at a time does, while it holds the lease. What is particular is `step` and what
 * stands behind it; a lane ends by itself, by `stop`, by a failure (after which it waits longer each time), or
 * because the lease is lost.
 */
export abstract class LeasedLane<News> {
  protected readonly ending = new AbortController();
  readonly hold: Hold;
  readonly #opensAt: number;
  #leaseEnds: number;
  #stopping = false;
  #wake = (): void => undefined;
  #news = true;
  #failures: number;
  /** After failures: what is tried first is as little as possible. */
  protected probing: boolean;
  /** Since when there is nothing to do; undefined while there is. */
  idleSince: number | undefined;

  constructor(
    { key, fence, failures, breaker }: Claim,
    protected readonly parts: LaneParts,
    claimedAt: number,
  ) {
    this.hold = { key, owner: parts.owner, fence };
    this.#failures = failures;
    this.probing = breaker !== 'closed';
    this.#opensAt = parts.clock.monotonic();
    this.#leaseEnds = claimedAt + parts.timing.leaseMs;
  }

  /** The next piece of work, its progress written. False where there is none. */
  protected abstract step(): Promise<boolean>;

  /** What a look has found: nothing, more work, or that this must be opened anew. */
  protected abstract judge(news: News): 'nothing' | 'work' | 'stop';

  /** Closes what was opened, and gives the lane back with what is known then. */
  protected abstract giveBack(): Promise<void>;

  /** Closes what was opened, after a failure or a loss. Never rejects. */
  protected abstract drop(): Promise<void>;

  get key(): string {
    return laneKey(this.hold.key);
  }

  /** What the last look has found; `askedAt` is when it began, so that the lease is never taken for longer. */
  hear(news: News, askedAt: number): void {
    this.#leaseEnds = Math.max(this.#leaseEnds, askedAt + 0.6 * this.parts.timing.leaseMs);
    const found = this.judge(news);
    if (found === 'stop') return this.stop();
    if (found === 'nothing') return;
    this.#news = true;
    this.#wake();
  }

  /** Ends after the step that is under way, and closes in order. */
  stop(): void {
    this.#stopping = true;
    this.#wake();
  }

  /** Ends at once: for a lease that is lost. */
  abort(): void {
    this.ending.abort(new LeaseLost());
    this.stop();
  }

  get leaseIsOver(): boolean {
    return this.parts.clock.monotonic() >= this.#leaseEnds;
  }

  /** Resolves when the lane is given back, or lost. Rejects where the database does not answer. */
  async run(): Promise<void> {
    try {
      await this.#work();
      await this.giveBack();
    } catch (error) {
      await this.drop();
      if (error instanceof LeaseLost || this.ending.signal.aborted) return;
      if (!(error instanceof DeliveryFailure)) throw error;
      await this.#giveUp(error);
    }
  }

  async #work(): Promise<void> {
    const { clock, timing } = this.parts;
    while (!this.#stopping && clock.monotonic() - this.#opensAt < timing.longestRunMs) {
      this.#news = false;
      this.idleSince = undefined;
      const worked = await this.step();
      if (worked || this.#news || this.#stopping) continue;
      this.idleSince = clock.monotonic();
      await this.#sleep(timing.longestRunMs);
    }
  }

  protected succeeded(): void {
    this.probing = false;
    this.#failures = 0;
  }

  /** Before anything leaves: what is not ours any more is not sent. */
  protected requireLease(): void {
    this.ending.signal.throwIfAborted();
    if (this.leaseIsOver) throw new LeaseLost();
  }

  protected async commit(work: (tx: SystemTx) => Promise<boolean>): Promise<void> {
    if (!(await this.ask(work))) throw new LeaseLost();
  }

  protected ask<T>(work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.parts.turns.take(() => this.parts.database.acrossOrgs(this.parts.reason, work));
  }

  async #giveUp({ code, retryAfter }: DeliveryFailure): Promise<void> {
    const { backOff } = this.parts.timing;
    const failures = this.#failures + 1;
    const waitMs = waitAfter(failures, retryAfter, backOff);
    const breaker = failures >= backOff.breakAfter ? 'open' : 'closed';
    await this.ask((tx) => this.parts.leases.releaseFailed(tx, this.hold, { code, breaker, waitMs }));
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#news || this.#stopping) this.#wake();
    });
  }
}

export function laneKey(key: readonly [string, string]): string {
  return key.join('|');
}
