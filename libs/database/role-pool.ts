import type pg from 'pg';
import { DataSource, getMetadataArgsStorage } from 'typeorm';
import { StartError } from '#kernel';
import type { DatabaseCredentials, DatabaseLogin, ServingRole } from './credentials.ts';
import { sqlState } from './outage.ts';
import { roles, SCHEMA } from './prepare.ts';

export interface RolePoolParts {
  /** How the role connects; with `credentials` all but its user and password. */
  readonly url: string;
  readonly role: ServingRole;
  readonly size: number;
  readonly credentials: DatabaseCredentials | undefined;
  /** Hears why a pool was not renewed. */
  readonly report: (error: unknown) => void;
}

/** Connections under one login, and how many are at work with them. */
interface Pool {
  readonly source: DataSource;
  readonly login: DatabaseLogin | undefined;
  users: number;
  retired: boolean;
  ended: boolean;
}

export interface PoolState {
  readonly role: ServingRole;
  /** The most there may be. */
  readonly size: number;
  readonly inUse: number;
  readonly idle: number;
  /** Who waits for a connection. */
  readonly waiting: number;
}

/** How long a request may wait for a connection before it is answered 503. */
const CONNECT_TIMEOUT_MS = 2_000;
const LOCK_TIMEOUT_MS = 3_000;
/** Below the time that `ask` waits, so that a server that still talks says itself what was too slow. */
const STATEMENT_TIMEOUT_MS = 4_000;
/** A user that was made for us is left with a third of its time to go: what is at work has that long to end. */
const RENEWED_AFTER = 2 / 3;
/** A password is read anew once it has surely changed. */
const AFTER_CHANGE_MS = 500;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
/** No timer takes more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** The server does not take this user, or this password, any more. */
const REFUSED = new Set(['28P01', '28000']);

/**
 * The connections of one role. Where logins last only for a while there is a new pool for each: what begins works with
 * the newest, what is at work ends with its own, and only then the old connections are closed and their user ends.
 */
export class RolePool {
  #pool: Pool | undefined;
  #renewing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopped = false;
  readonly #closing = new Set<Promise<void>>();

  constructor(private readonly parts: RolePoolParts) {}

  async open(): Promise<void> {
    this.#pool = await this.#make();
    this.#schedule(this.#pool);
  }

  /** Of the newest pool, which is the only one but for seconds. */
  get state(): PoolState {
    const driver = this.#pool?.source.driver as { master?: pg.Pool } | undefined;
    const { totalCount = 0, idleCount = 0, waitingCount = 0 } = driver?.master ?? {};
    const { role, size } = this.parts;
    return { role, size, inUse: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
  }

  async close(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#renewing?.catch(() => undefined);
    if (this.#pool) this.#retire(this.#pool, true);
    await Promise.all(this.#closing);
  }

  /**
   * Runs `work`, which connects before it does anything else. Where the login is refused, another is asked for and it
   * runs again, once: nothing of it has happened.
   */
  async use<T>(work: (source: DataSource) => Promise<T>): Promise<T> {
    const pool = this.#current();
    try {
      return await this.#within(pool, work);
    } catch (error) {
      if (!this.parts.credentials || !REFUSED.has(sqlState(error) ?? '')) throw error;
      if (this.#pool === pool) await this.#renew();
      return this.#within(this.#current(), work);
    }
  }

  #current(): Pool {
    if (!this.#pool) throw new Error('Connection is not established');
    return this.#pool;
  }

  async #within<T>(pool: Pool, work: (source: DataSource) => Promise<T>): Promise<T> {
    pool.users += 1;
    try {
      return await work(pool.source);
    } finally {
      pool.users -= 1;
      if (pool.retired && pool.users === 0) this.#end(pool);
    }
  }

  /** One renewal for all who want it. */
  #renew(): Promise<void> {
    this.#renewing ??= this.#swap().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #swap(): Promise<void> {
    const next = await this.#make();
    const before = this.#pool;
    this.#pool = next;
    this.#failures = 0;
    this.#schedule(next);
    if (before) this.#retire(before, false);
  }

  #schedule({ login }: Pool): void {
    if (!login) return;
    const { validMs, end } = login;
    // Not all processes at once.
    this.#renewIn(end ? validMs * RENEWED_AFTER * (0.9 + Math.random() * 0.1) : validMs + AFTER_CHANGE_MS);
  }

  #renewIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    const first = Math.min(Math.max(ms, FIRST_RETRY_MS / 4), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => {
      if (ms > first) this.#renewIn(ms - first);
      else void this.#renew().catch((error: unknown) => this.#failed(error));
    }, first);
    this.#timer.unref();
  }

  /** What there is goes on for as long as the server takes it. */
  #failed(error: unknown): void {
    this.parts.report(error);
    this.#renewIn(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures));
    this.#failures += 1;
  }

  #retire(pool: Pool, now: boolean): void {
    pool.retired = true;
    if (now || pool.users === 0) this.#end(pool);
  }

  #end(pool: Pool): void {
    if (pool.ended) return;
    pool.ended = true;
    const ended = this.#close(pool)
      .catch((error: unknown) => this.parts.report(error))
      .finally(() => this.#closing.delete(ended));
    this.#closing.add(ended);
  }

  async #close({ source, login }: Pool): Promise<void> {
    if (source.isInitialized) await source.destroy();
    await login?.end?.();
  }

  async #make(): Promise<Pool> {
    const { credentials, role } = this.parts;
    const login = await credentials?.login(role);
    const source = this.#sourceOf(login);
    try {
      await source.initialize();
      if (login) await this.#verify(source);
      return { source, login, users: 0, retired: false, ended: false };
    } catch (error) {
      if (source.isInitialized) await source.destroy().catch(() => undefined);
      await login?.end?.().catch(this.parts.report);
      throw error;
    }
  }

  /** Whoever signs in works as the role and as nothing that row-level security does not bind. */
  async #verify(source: DataSource): Promise<void> {
    const rows = await source.query<{ role: string; strong: boolean }[]>(
      `SELECT current_user AS role, rolsuper OR rolbypassrls AS strong FROM pg_roles WHERE rolname = session_user`,
    );
    const role = roles[this.parts.role];
    if (rows[0]?.role === role && !rows[0].strong) return;
    throw new StartError(
      `a database login for ${role} must work as that role, and have no more rights than it`,
    );
  }

  #sourceOf(login: DatabaseLogin | undefined): DataSource {
    const { url, role, size } = this.parts;
    return new DataSource({
      type: 'postgres',
      url: login ? urlFor(url, roles[role], login) : url,
      applicationName: `portcullis ${role}`,
      poolSize: size,
      entities: getMetadataArgsStorage().tables.map((table) => table.target),
      schema: SCHEMA,
      logging: false,
      // What the pool reports about idle connections that broke; requests see their own errors.
      poolErrorHandler: () => undefined,
      extra: {
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        statement_timeout: STATEMENT_TIMEOUT_MS,
        lock_timeout: LOCK_TIMEOUT_MS,
        idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
        keepAlive: true,
        // No connection outlives its user, whatever becomes of the renewal.
        ...(login?.end && { maxLifetimeSeconds: Math.max(1, Math.floor((login.validMs * 0.9) / 1_000)) }),
      },
    });
  }
}

/** The role is taken on at the start of each connection: rights and row-level security are the role's. */
function urlFor(base: string, role: string, { user, password }: DatabaseLogin): string {
  const url = new URL(base);
  url.username = encodeURIComponent(user);
  url.password = encodeURIComponent(password);
  url.searchParams.set('options', `${url.searchParams.get('options') ?? ''} -c role=${role}`.trim());
  url.search = url.search.replaceAll('+', '%20');
  return url.href;
}
