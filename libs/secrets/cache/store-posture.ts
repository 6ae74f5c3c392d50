import type { Clock } from '#kernel';

export type StoreState = 'ready' | 'degraded' | 'down';

/** How the store of secrets is doing, as its users find it. `since` (wall clock) tells how long it has not answered. */
export class StorePosture {
  #silentSince: Date | undefined;
  #refused = false;
  #stale = 0;
  #silentFrom = 0;

  constructor(
    private readonly clock: Clock,
    /** After which nothing is known of any secret that is young enough. */
    private readonly longestMs: number,
  ) {}

  /** The store said something, whatever it was. */
  answered(): void {
    this.#silentSince = undefined;
    this.#refused = false;
  }

  silent(): void {
    if (this.#silentSince !== undefined) return;
    this.#silentSince = this.clock.now();
    this.#silentFrom = this.clock.monotonic();
  }

  /** Somebody got nothing, for nothing was known that was young enough. */
  refused(): void {
    this.#refused = true;
  }

  servedStale(): void {
    this.#stale += 1;
  }

  get state(): StoreState {
    if (this.#silentSince === undefined) return 'ready';
    return this.#refused || this.clock.monotonic() - this.#silentFrom >= this.longestMs ? 'down' : 'degraded';
  }

  get silentSince(): Date | undefined {
    return this.#silentSince;
  }

  /** Uses that were served while the store said nothing, since the start of this process. */
  get servedStaleCount(): number {
    return this.#stale;
  }
}
