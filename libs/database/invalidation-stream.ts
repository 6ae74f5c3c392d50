import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Clock, newId } from '#kernel';
import { Settlement } from './database.ts';

/**
 * The invalidation lease: how a process may cache authority and a revocation still holds when it answers.
 *
 * Triggers write every change that takes authority away into `invalidations`, in commit order. A process that
 * caches reads them in order, drops what they name, and acknowledges the position; with each acknowledgement it
 * renews a lease of LEASE_MS. It may answer from its cache only while the lease is live, counted from before the
 * read: so whatever was cached before a commit is unusable LEASE_MS after it, even in a process that was stopped
 * or cut off and knows nothing. A revocation therefore waits until every process with a live lease has
 * acknowledged, and never longer than LEASE_MS.
 */
export const LEASE_MS = 1_000;
const HEARTBEAT_MS = 250;
/** Room for clocks that run at slightly unlike rates, and for rounding. */
const MARGIN_MS = 50;
const QUERY_TIMEOUT_MS = 2_000;
const POLL_MS = 2;

export interface InvalidationListener {
  /** These subjects changed: drop what depends on them, and what is being loaded now. */
  dropped(subjects: readonly string[]): void;
  /** The lease lapsed or the stream has a gap: drop everything, and what is being loaded now. */
  lapsed(): void;
}

interface Waiter {
  readonly position: bigint;
  readonly resolve: () => void;
}

export class InvalidationStream extends Settlement {
  readonly #id = newId();
  #client: pg.Client | undefined;
  #listener: InvalidationListener = { dropped: () => undefined, lapsed: () => undefined };
  #applied = 0n;
  #joined = false;
  /** Until when the cache may be used: by the clock that never goes back, and by the wall clock, which also
   * counts while a virtual machine is suspended. */
  #freshUntil = -Infinity;
  #freshUntilWall = -Infinity;
  #running: Promise<void> | undefined;
  #stopping = false;
  #wake: () => void = () => undefined;
  #woken = false;
  #waiters = new Set<Waiter>();
  #polling = false;

  constructor(
    private readonly url: string,
    private readonly clock: Clock,
  ) {
    super();
  }

  /** True while everything in the cache is proven: the one question of the hot path. */
  get isFresh(): boolean {
    return this.clock.monotonic() < this.#freshUntil && this.clock.now().getTime() < this.#freshUntilWall;
  }

  listen(listener: InvalidationListener): void {
    this.#listener = listener;
  }

  /** Joins the replicas; from the first renewal on, `isFresh` can be true. Never rejects: it keeps trying. */
  start(): void {
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#freshUntil = -Infinity;
    this.#wake();
    await this.#running;
    await this.#client?.query('DELETE FROM replicas WHERE id = $1', [this.#id]).catch(() => undefined);
    await this.#client?.end().catch(() => undefined);
  }

  /** Resolves when no process answers from what stood before `position`; at most LEASE_MS after the call. */
  async settled(position: bigint): Promise<void> {
    await new Promise<void>((resolve) => {
      const waiter = { position, resolve: () => done() };
      const timer = setTimeout(() => done(), LEASE_MS);
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve();
      };
      this.#waiters.add(waiter);
      void this.#poll();
    });
  }

  /** One poll for all waiters; ends when none is left. */
  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    while (this.#waiters.size > 0) {
      const acked = await this.#leastAcknowledged();
      for (const waiter of this.#waiters) {
        if (acked !== undefined && waiter.position <= acked) waiter.resolve();
      }
      if (this.#waiters.size > 0) await sleep(POLL_MS);
    }
    this.#polling = false;
  }

  /** What every process with a live lease has acknowledged; undefined where that cannot be read. */
  async #leastAcknowledged(): Promise<bigint | undefined> {
    try {
      const result = await this.#client?.query<{ acked: string }>(
        `SELECT coalesce(min(acked), 9223372036854775807) AS acked FROM replicas WHERE lease_until > clock_timestamp()`,
      );
      return result?.rows[0] && BigInt(result.rows[0].acked);
    } catch {
      return undefined;
    }
  }

  async #loop(): Promise<void> {
    let pause = 20;
    while (!this.#stopping) {
      try {
        const client = await this.#connected();
        await this.#beat(client);
        pause = 20;
        await this.#rest(HEARTBEAT_MS);
      } catch {
        // The lease runs out by itself; until it can be renewed every request asks the database.
        await this.#disconnect();
        await this.#rest(pause);
        pause = Math.min(pause * 2, 500);
      }
    }
  }

  /** Waits for a notification, or for `ms`. */
  async #rest(ms: number): Promise<void> {
    if (!this.#woken && !this.#stopping) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#woken = false;
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client) return this.#client;
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'portcullis invalidations',
      query_timeout: QUERY_TIMEOUT_MS,
      connectionTimeoutMillis: QUERY_TIMEOUT_MS,
      keepAlive: true,
    });
    client.on('notification', () => {
      this.#woken = true;
      this.#wake();
    });
    client.on('error', () => void this.#disconnect());
    client.on('end', () => void this.#disconnect());
    await client.connect();
    await client.query('LISTEN portcullis_invalidations');
    this.#client = client;
    return client;
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#wake();
    await client?.end().catch(() => undefined);
  }

  /** Reads what is new, drops it, acknowledges, renews. */
  async #beat(client: pg.Client): Promise<void> {
    const readAt = this.clock.monotonic();
    const readAtWall = this.clock.now().getTime();
    if (this.#joined) await this.#readNew(client);
    const renewed = await client.query<{ acked: string }>(
      `INSERT INTO replicas (id, name, acked, lease_until)
       VALUES ($1, $2, coalesce($3::bigint, (SELECT max(pos) FROM invalidations), 0),
               clock_timestamp() + make_interval(secs => $4))
       ON CONFLICT (id) DO UPDATE SET acked = excluded.acked, lease_until = excluded.lease_until
       RETURNING acked`,
      [this.#id, hostname(), this.#joined ? this.#applied.toString() : null, LEASE_MS / 1000],
    );
    this.#applied = BigInt(renewed.rows[0]?.acked ?? '0');
    // A revocation that came while our lease had run out did not wait for us: what was cached before proves nothing.
    if (!this.isFresh) this.#listener.lapsed();
    this.#joined = true;
    this.#freshUntil = readAt + LEASE_MS - MARGIN_MS;
    this.#freshUntilWall = readAtWall + LEASE_MS - MARGIN_MS;
  }

  async #readNew(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ pos: string; subject: string }>(
      'SELECT pos, subject FROM invalidations WHERE pos > $1 ORDER BY pos',
      [this.#applied.toString()],
    );
    const first = rows[0];
    if (!first) return;
    if (BigInt(first.pos) !== this.#applied + 1n) this.#listener.lapsed();
    this.#listener.dropped(rows.map((row) => row.subject));
    this.#applied = BigInt(rows.at(-1)?.pos ?? this.#applied);
  }
}
