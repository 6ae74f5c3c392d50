import type { EntityManager, QueryRunner } from 'typeorm';
import type { PoolClient, QueryConfig, QueryResult } from 'pg';

/** How long a statement may go without an answer until the server counts as gone. */
const ANSWER_TIMEOUT_MS = 5_000;

/** One statement, or several in one round trip where there are no values; gives up after `withinMs`. */
export function ask(
  client: PoolClient,
  statement: QueryConfig,
  withinMs = ANSWER_TIMEOUT_MS,
): Promise<QueryResult> {
  // The driver knows this option per query; its types do not.
  const query: QueryConfig & { query_timeout: number } = { ...statement, query_timeout: withinMs };
  return client.query(query);
}

/** Answers a statement of the hot path: a transaction, or the database where the statement is one by itself. */
export interface Asked {
  prepared<Row>(name: string, sql: string, parameters: unknown[]): Promise<Row[]>;
}

/** Proof that this module made the value: nothing outside can name the symbol. */
const made: unique symbol = Symbol('made by the database room');

/**
 * One open transaction. `query` runs SQL with `$1` parameters and answers the rows; `manager` is TypeORM's, bound
 * to the same connection.
 */
export class Tx implements Asked {
  readonly [made] = true;

  constructor(
    key: typeof made,
    private readonly runner: QueryRunner,
    readonly client: PoolClient,
  ) {
    if (key !== made) throw new TypeError('transactions come from Database.inOrg and Database.acrossOrgs');
  }

  get manager(): EntityManager {
    return this.runner.manager;
  }

  async query<Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return (await ask(this.client, { text: sql, values: parameters })).rows as Row[];
  }

  /**
   * The same for a statement of the hot path: parsed and planned once a connection, under a name of its own. One
   * name, one text, for ever.
   */
  async prepared<Row>(name: string, sql: string, parameters: unknown[]): Promise<Row[]> {
    return (await ask(this.client, { name, text: sql, values: parameters })).rows as Row[];
  }

  /** The first row, or undefined. */
  async one<Row>(sql: string, parameters: unknown[] = []): Promise<Row | undefined> {
    return (await this.query<Row>(sql, parameters))[0];
  }

  /** The number of rows a statement changed. */
  async change(sql: string, parameters: unknown[] = []): Promise<number> {
    return (await ask(this.client, { text: sql, values: parameters })).rowCount ?? 0;
  }
}

/** A transaction that sees the rows of one organization, entered with a credential that is live in it. */
export class OrgTx extends Tx {
  readonly #orgId: string;

  constructor(key: typeof made, runner: QueryRunner, client: PoolClient, orgId: string) {
    super(key, runner, client);
    this.#orgId = orgId;
  }

  get orgId(): string {
    return this.#orgId;
  }
}

/** A transaction of the system itself, which sees every organization. */
export class SystemTx extends Tx {
  readonly #reason: string;

  constructor(key: typeof made, runner: QueryRunner, client: PoolClient, reason: string) {
    super(key, runner, client);
    this.#reason = reason;
  }

  get reason(): string {
    return this.#reason;
  }
}

/** For database.ts alone; the door of the room does not export it. */
export const makeTx = {
  org: (runner: QueryRunner, client: PoolClient, orgId: string): OrgTx =>
    new OrgTx(made, runner, client, orgId),
  system: (runner: QueryRunner, client: PoolClient, reason: string): SystemTx =>
    new SystemTx(made, runner, client, reason),
};
