import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Client, PoolClient, QueryConfig } from 'pg';
import type { DataSource } from 'typeorm';
import { type Caller, isId } from '#kernel';
import type { DatabaseCredentials } from './credentials.ts';
import { DatabaseFault } from './database.faults.ts';
import { isOutage, sqlState } from './outage.ts';
import type { DatabaseUrls } from './prepare.ts';
import { platformReasons, type SystemReason } from './reasons.ts';
import { type PoolState, RolePool } from './role-pool.ts';
import { ask, type Asked, makeTx, type OrgTx, type SystemTx, type Tx } from './tx.ts';

export interface DatabaseOptions {
  readonly urls: DatabaseUrls;
  /** Connections per role. */
  readonly poolSize: number;
  /** Gives the pools their logins; those of `urls` where unsaid. */
  readonly credentials?: DatabaseCredentials | undefined;
  /** Hears why a pool was not renewed. */
  readonly report?: (error: unknown) => void;
}

/** Waits until no replica acts on what an invalidation took away; see invalidation-stream.ts. */
export abstract class Settlement {
  abstract settled(position: bigint): Promise<void>;
}

/** BEGIN is the first thing on a connection that may have gone silent in the pool. */
const BEGIN_TIMEOUT_MS = 2_000;

/**
 * Every way into the database. `inOrg` is the only maker of an OrgTx; `acrossOrgs` needs a reason from a closed
 * list. Both commit what `work` did or nothing, and where the transaction took authority away they answer only
 * when no replica accepts it any more.
 */
@Injectable()
export class Database implements OnApplicationShutdown {
  private readonly app: RolePool;
  private readonly system: RolePool;

  constructor(
    { urls, poolSize: size, credentials, report = () => undefined }: DatabaseOptions,
    private readonly settlement: Settlement,
  ) {
    const parts = { size, credentials, report };
    this.app = new RolePool({ ...parts, url: urls.app, role: 'app' });
    this.system = new RolePool({ ...parts, url: urls.system, role: 'system' });
  }

  /** Connections of each role, as they are at this moment. */
  get connections(): readonly PoolState[] {
    return [this.app.state, this.system.state];
  }

  async connect(): Promise<void> {
    await this.app.open();
    await this.system.open();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.app.close();
    await this.system.close();
  }

  /**
   * Runs `work` in a transaction that sees the caller's organization. The database checks again that the caller's
   * credential is live. Faults: `database.credential_ended`, `database.unavailable`.
   */
  async inOrg<T>(caller: Caller, work: (tx: OrgTx) => Promise<T>): Promise<T> {
    const begin = enter(caller);
    return this.run(this.app, (client) => opened(client, begin, makeTx.org(client, [], caller.org.id)), work);
  }

  /** Runs `work` in a transaction that sees every organization, for a reason from the closed list. */
  async acrossOrgs<T>(reason: SystemReason, work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.run(this.system, (client) => makeTx.system(client, [BEGIN], reason), work);
  }

  /**
   * The same for what a caller asked for: the database checks again that their credential is live, and that it is
   * one of the platform organization where the reason is the platform's.
   */
  async acrossOrgsFor<T>(
    reason: SystemReason,
    caller: Caller,
    work: (tx: SystemTx) => Promise<T>,
  ): Promise<T> {
    const door = platformReasons.has(reason) ? 'enter_platform' : 'enter_org';
    const begin = enter(caller, door);
    return this.run(this.system, (client) => opened(client, begin, makeTx.system(client, [], reason)), work);
  }

  /**
   * Asks single statements, each a transaction of its own in one round trip, that see every organization: for
   * reading before a transaction, and for counting, where holding a row longer would make others wait. Not for
   * what takes authority away, for nothing here waits until replicas know.
   */
  alone(_reason: SystemReason): Asked {
    return {
      prepared: async <Row>(name: string, sql: string, parameters: unknown[]) =>
        this.system
          .use((source) => askAlone<Row>(source, { name, text: sql, values: parameters }))
          .catch((error: unknown) => {
            throw asFault(error);
          }),
    };
  }

  private async run<T, Kind extends Tx>(
    pool: RolePool,
    open: (client: PoolClient) => Kind | Promise<Kind>,
    work: (tx: Kind) => Promise<T>,
  ): Promise<T> {
    try {
      const { result, invalidated } = await pool.use((source) => transaction(source, open, work));
      if (invalidated !== undefined) await this.settlement.settled(invalidated);
      return result;
    } catch (error) {
      throw asFault(error);
    }
  }
}

/** Where nothing is asked of the transaction before it may do something, it opens with its first statement. */
const BEGIN = { statement: { text: 'BEGIN' }, withinMs: BEGIN_TIMEOUT_MS };

/** Answers `tx` once the transaction is open and its caller was let in. */
async function opened<Kind extends Tx>(client: PoolClient, begin: string, tx: Kind): Promise<Kind> {
  await ask(client, { text: begin }, BEGIN_TIMEOUT_MS);
  return tx;
}

/** What `work` answers, and the position of what the transaction took away. */
async function transaction<T, Kind extends Tx>(
  source: DataSource,
  open: (client: PoolClient) => Kind | Promise<Kind>,
  work: (tx: Kind) => Promise<T>,
): Promise<{ result: T; invalidated: bigint | undefined }> {
  const runner = source.createQueryRunner();
  try {
    const client = (await runner.connect()) as PoolClient;
    try {
      const tx = await open(client);
      const result = await work(tx);
      return { result, invalidated: await commit(tx) };
    } catch (error) {
      await abandon(client, error);
      throw error;
    }
  } finally {
    await runner.release();
  }
}

async function askAlone<Row>(source: DataSource, statement: QueryConfig): Promise<Row[]> {
  const runner = source.createQueryRunner();
  try {
    const client = (await runner.connect()) as PoolClient;
    try {
      return (await ask(client, statement)).rows as Row[];
    } catch (error) {
      // Where the server did not speak, whoever got the connection next would wait behind what hangs.
      if (sqlState(error) === undefined) void (client as unknown as Client).end().catch(() => undefined);
      throw error;
    }
  } finally {
    await runner.release();
  }
}

/** BEGIN and the second check in one round trip. Ids are checked, for this form of query takes no parameters. */
function enter(caller: Caller, door: 'enter_org' | 'enter_platform' = 'enter_org'): string {
  const credential = caller.kind === 'user' ? caller.sessionId : caller.apiKeyId;
  const kind = caller.kind === 'user' ? 'session' : 'api_key';
  if (!isId(caller.org.id) || !isId(credential)) throw DatabaseFault.credential_ended();
  return `BEGIN; SELECT portcullis.${door}('${caller.org.id}', '${kind}', '${credential}')`;
}

/**
 * Commits in one round trip. Deferred triggers run first (positions, "no unaudited edit", invalidations), so that
 * the position of an invalidation is known here. Answers that position, or undefined.
 */
async function commit(tx: Tx): Promise<bigint | undefined> {
  const results = (await tx.ask({
    text: `SET CONSTRAINTS ALL IMMEDIATE; SELECT nullif(current_setting('app.invalidated', true), '') AS pos; COMMIT`,
  })) as unknown as { rows: { pos: string | null }[] }[];
  const pos = results[1]?.rows[0]?.pos;
  return pos ? BigInt(pos) : undefined;
}

/**
 * Ends the transaction that failed. Where the server itself did not speak, or does not answer now, the connection
 * is closed instead: whoever got it next from the pool would wait behind what hangs.
 */
async function abandon(client: PoolClient, error: unknown): Promise<void> {
  const silent = sqlState(error) === undefined && isOutage(error);
  const rolledBack =
    !silent &&
    (await ask(client, { text: 'ROLLBACK' }, BEGIN_TIMEOUT_MS).then(
      () => true,
      () => false,
    ));
  // The pool drops a client that is ending when it gets it back.
  if (!rolledBack) void (client as unknown as Client).end().catch(() => undefined);
}

/** Integrity violations that no use case foresaw, deadlocks and serialization failures: somebody else was faster. */
const CHANGED_MEANWHILE = /^(23|40)/;

/** The server does not take our login any more; whoever manages it may mend that. */
const LOGIN_REFUSED = /^28/;

function asFault(error: unknown): unknown {
  if (sqlState(error) === 'PC401') return DatabaseFault.credential_ended({ cause: error });
  if (CHANGED_MEANWHILE.test(sqlState(error) ?? '')) return DatabaseFault.conflict({ cause: error });
  if (isOutage(error) || LOGIN_REFUSED.test(sqlState(error) ?? ''))
    return DatabaseFault.unavailable({ cause: error, retryAfter: 1 });
  return error;
}
