import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Client, PoolClient } from 'pg';
import { DataSource, getMetadataArgsStorage, type QueryRunner } from 'typeorm';
import { type Caller, isId } from '#kernel';
import { DatabaseFault } from './database.faults.ts';
import { isOutage, sqlState } from './outage.ts';
import type { DatabaseUrls } from './prepare.ts';
import { platformReasons, type SystemReason } from './reasons.ts';
import { ask, type Asked, makeTx, type OrgTx, type SystemTx } from './tx.ts';

export interface DatabaseOptions {
  readonly urls: DatabaseUrls;
  /** Connections per role. */
  readonly poolSize: number;
}

/** Waits until no replica acts on what an invalidation took away; see invalidation-stream.ts. */
export abstract class Settlement {
  abstract settled(position: bigint): Promise<void>;
}

/** How long a request may wait for a connection before it is answered 503. */
const CONNECT_TIMEOUT_MS = 2_000;
/** BEGIN is the first thing on a connection that may have gone silent in the pool. */
const BEGIN_TIMEOUT_MS = 2_000;
const LOCK_TIMEOUT_MS = 3_000;
/** Below the time that `ask` waits, so that a server that still talks says itself what was too slow. */
const STATEMENT_TIMEOUT_MS = 4_000;

/**
 * Every way into the database. `inOrg` is the only maker of an OrgTx; `acrossOrgs` needs a reason from a closed
 * list. Both commit what `work` did or nothing, and where the transaction took authority away they answer only
 * when no replica accepts it any more.
 */
@Injectable()
export class Database implements OnApplicationShutdown {
  private readonly app: DataSource;
  private readonly system: DataSource;

  constructor(
    options: DatabaseOptions,
    private readonly settlement: Settlement,
  ) {
    this.app = dataSource(options.urls.app, options.poolSize, 'portcullis app');
    this.system = dataSource(options.urls.system, options.poolSize, 'portcullis system');
  }

  async connect(): Promise<void> {
    await this.app.initialize();
    await this.system.initialize();
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.app.isInitialized) await this.app.destroy();
    if (this.system.isInitialized) await this.system.destroy();
  }

  /**
   * Runs `work` in a transaction that sees the caller's organization. The database checks again that the caller's
   * credential is live. Faults: `database.credential_ended`, `database.unavailable`.
   */
  async inOrg<T>(caller: Caller, work: (tx: OrgTx) => Promise<T>): Promise<T> {
    return this.run(this.app, enter(caller), (runner, client) =>
      work(makeTx.org(runner, client, caller.org.id)),
    );
  }

  /** Runs `work` in a transaction that sees every organization, for a reason from the closed list. */
  async acrossOrgs<T>(reason: SystemReason, work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.run(this.system, 'BEGIN', (runner, client) => work(makeTx.system(runner, client, reason)));
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
    return this.run(this.system, enter(caller, door), (runner, client) =>
      work(makeTx.system(runner, client, reason)),
    );
  }

  /**
   * Asks single statements, each a transaction of its own in one round trip, that see every organization: for
   * reading before a transaction, and for counting, where holding a row longer would make others wait. Not for
   * what takes authority away, for nothing here waits until replicas know.
   */
  alone(_reason: SystemReason): Asked {
    return {
      prepared: async <Row>(name: string, sql: string, parameters: unknown[]) => {
        const runner = this.system.createQueryRunner();
        try {
          const client = (await runner.connect()) as PoolClient;
          try {
            return (await ask(client, { name, text: sql, values: parameters })).rows as Row[];
          } catch (error) {
            // Where the server did not speak, whoever got the connection next would wait behind what hangs.
            if (sqlState(error) === undefined)
              void (client as unknown as Client).end().catch(() => undefined);
            throw error;
          }
        } catch (error) {
          throw asFault(error);
        } finally {
          await runner.release();
        }
      },
    };
  }

  private async run<T>(
    source: DataSource,
    begin: string,
    work: (runner: QueryRunner, client: PoolClient) => Promise<T>,
  ): Promise<T> {
    const runner = source.createQueryRunner();
    try {
      const client = (await runner.connect()) as PoolClient;
      let invalidated: bigint | undefined;
      let result: T;
      try {
        await ask(client, { text: begin }, BEGIN_TIMEOUT_MS);
        // BEGIN is ours, to save a round trip: TypeORM must know, or it would open and commit its own inside.
        Object.assign(runner, { isTransactionActive: true, transactionDepth: 1 });
        result = await work(runner, client);
        invalidated = await commit(client);
      } catch (error) {
        await abandon(client, error);
        throw error;
      } finally {
        Object.assign(runner, { isTransactionActive: false, transactionDepth: 0 });
      }
      await runner.release();
      if (invalidated !== undefined) await this.settlement.settled(invalidated);
      return result;
    } catch (error) {
      throw asFault(error);
    } finally {
      if (!runner.isReleased) await runner.release();
    }
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
async function commit(client: PoolClient): Promise<bigint | undefined> {
  const results = (await ask(client, {
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

function asFault(error: unknown): unknown {
  if (sqlState(error) === 'PC401') return DatabaseFault.credential_ended({ cause: error });
  if (CHANGED_MEANWHILE.test(sqlState(error) ?? '')) return DatabaseFault.conflict({ cause: error });
  if (isOutage(error)) return DatabaseFault.unavailable({ cause: error, retryAfter: 1 });
  return error;
}

function dataSource(url: string, poolSize: number, applicationName: string): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    applicationName,
    poolSize,
    entities: getMetadataArgsStorage().tables.map((table) => table.target),
    schema: 'portcullis',
    logging: false,
    // What the pool reports about idle connections that broke; requests see their own errors.
    poolErrorHandler: () => undefined,
    extra: {
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      keepAlive: true,
    },
  });
}
