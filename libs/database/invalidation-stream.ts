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
/** A lease that ran out this recently by the database's clock is still waited for: that clock may have been set. */
const CLOCK_STEP_MS = 1_000;
/** Rows of processes that died. */
const FORGET_AFTER_S = 3_600;

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
  #client: pg.Client | undefined;
  readonly #listeners: InvalidationListener[] = [];
  /** The lease that this connection holds. One connection, one lease: what an old connection still does to its
   * own row after we gave it up touches nothing that we rely on. */
  #leaseId = newId();
  #joined = false;
  #applied = 0n;
  /** Until when the cache may be used: by the clock that never goes back, and by the wall clock, which also
   * counts while a virtual machine is suspended. */
  #freshUntil = -Infinity;
  #provenAt = -Infinity;
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

  /** Seconds since this process last proved that it knows everything; infinite where it never did. */
  get ageSeconds(): number {
    return (this.clock.monotonic() - this.#provenAt) / 1_000;
  }

  /** Adds a listener; each is told before this process acknowledges what it is told of. */
  listen(listener: InvalidationListener): void {
    this.#listeners.push(listener);
  }

  /** Joins the replicas; from the first renewal on, `isFresh` can be true. Never rejects: it keeps trying. */
  start(): void {
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    await this.#running;
    // Requests may still come in. From here on nobody waits for us, so none may be answered from the cache.
    this.#expire();
    const client = this.#client;
    await client?.query('DELETE FROM replicas WHERE id = $1', [this.#leaseId]).catch(() => undefined);
    await this.#disconnect(client);
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
      // An answer says nothing to those who came while it was on its way: it may be older than their commit.
      const asking = [...this.#waiters];
      const acked = await this.#leastAcknowledged();
      for (const waiter of asking) {
        if (acked !== undefined && waiter.position <= acked) waiter.resolve();
      }
      if (this.#waiters.size > 0) await sleep(POLL_MS);
    }
    this.#polling = false;
  }

  /**
   * What every process with a live lease has acknowledged; undefined where that cannot be read. By
   * statement_timestamp(), which lies before the snapshot: a later clock would take for expired what was renewed
   * after the snapshot, by a process that never noticed a lapse.
   */
  async #leastAcknowledged(): Promise<bigint | undefined> {
    try {
      const result = await this.#client?.query<{ acked: string }>(
        `SELECT coalesce(min(acked), 9223372036854775807) AS acked FROM replicas
          WHERE lease_until > statement_timestamp() - interval '${CLOCK_STEP_MS} ms'`,
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
        const client = (this.#client ??= await this.#connect());
        await this.#beat(client);
        pause = 20;
        await this.#rest(HEARTBEAT_MS);
      } catch {
        // The lease runs out by itself; until it can be renewed every request asks the database.
        await this.#disconnect(this.#client);
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

  async #connect(): Promise<pg.Client> {
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
    client.on('error', () => void this.#disconnect(client));
    client.on('end', () => void this.#disconnect(client));
    try {
      await client.connect();
      await client.query('LISTEN portcullis_invalidations');
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    this.#joined = false;
    return client;
  }

  /** Gives `client` up; a later one, which may be connected by now, stays. */
  async #disconnect(client: pg.Client | undefined): Promise<void> {
    if (client === undefined || client !== this.#client) return;
    this.#client = undefined;
    this.#wake();
    await client.end().catch(() => undefined);
  }

  /** Reads what is new, drops it, acknowledges, renews. */
  async #beat(client: pg.Client): Promise<void> {
    const readAt = this.clock.monotonic();
    const readAtWall = this.clock.now().getTime();
    const renewed = this.#joined && (await this.#readNew(client)) && (await this.#renew(client));
    if (!renewed) await this.#join(client);
    // A revocation that came while our lease had run out did not wait for us: what was cached before proves nothing.
    if (!this.isFresh) this.#lapse();
    this.#provenAt = readAt;
    this.#freshUntil = readAt + LEASE_MS - MARGIN_MS;
    this.#freshUntilWall = readAtWall + LEASE_MS - MARGIN_MS;
  }

  /** False where the stream does not go on from what was applied: pruned, or another history after a restore. */
  async #readNew(client: pg.Client): Promise<boolean> {
    const { rows } = await client.query<{ pos: string; subject: string }>(
      'SELECT pos, subject FROM invalidations WHERE pos >= $1 ORDER BY pos',
      [this.#applied.toString()],
    );
    // What was applied last is read again, as the proof that nothing between is missing.
    const known = this.#applied === 0n ? 0 : 1;
    const first = rows[0] && BigInt(rows[0].pos);
    if (known === 1 && first !== this.#applied) return false;
    if (known === 0 && first !== undefined && first !== 1n) return false;
    const fresh = rows.slice(known);
    if (fresh.length === 0) return true;
    const subjects = fresh.map((row) => row.subject);
    for (const listener of this.#listeners) listener.dropped(subjects);
    this.#applied = BigInt(fresh.at(-1)?.pos ?? this.#applied);
    return true;
  }

  /** False where the lease is not there any more. */
  async #renew(client: pg.Client): Promise<boolean> {
    const { rowCount } = await client.query(
      `UPDATE replicas SET acked = $2, lease_until = clock_timestamp() + make_interval(secs => $3) WHERE id = $1`,
      [this.#leaseId, this.#applied.toString(), LEASE_MS / 1_000],
    );
    return rowCount === 1;
  }

  /**
   * A new lease that begins at the end of the stream. It acknowledges what was never read, so before it is written
   * nothing may be cached, nor come in from a load under way.
   */
  async #join(client: pg.Client): Promise<void> {
    this.#expire();
    this.#joined = false;
    const before = this.#leaseId;
    this.#leaseId = newId();
    const { rows } = await client.query<{ acked: string }>(
      `WITH forgotten AS (
         DELETE FROM replicas
          WHERE id = $1 OR lease_until < clock_timestamp() - make_interval(secs => $5))
       INSERT INTO replicas (id, name, acked, lease_until)
       VALUES ($2, $3, coalesce((SELECT max(pos) FROM invalidations), 0),
               clock_timestamp() + make_interval(secs => $4))
       RETURNING acked`,
      [before, this.#leaseId, hostname(), LEASE_MS / 1_000, FORGET_AFTER_S],
    );
    this.#applied = BigInt(rows[0]?.acked ?? '0');
    this.#joined = true;
  }

  #expire(): void {
    this.#freshUntil = -Infinity;
    this.#freshUntilWall = -Infinity;
    this.#lapse();
  }

  #lapse(): void {
    for (const listener of this.#listeners) listener.lapsed();
  }
}
