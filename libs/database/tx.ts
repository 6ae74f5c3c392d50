import type { PoolClient, QueryConfig, QueryResult, Submittable } from 'pg';

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

/** Statements that wait for the next one; they must all be answered within the time of one. */
const MOST_WAITING = 64;

/** A statement, and the milliseconds it may go without an answer. */
interface Timed {
  readonly statement: QueryConfig;
  readonly withinMs?: number;
}

/** What the driver can and its types do not know: to send statements before those before them are answered. */
interface Wire {
  pipeline: boolean;
  readonly connection: { readonly stream: { cork(): void; uncork(): void } };
}

/** Answers a statement of the hot path: a transaction, or the database where the statement is one by itself. */
export interface Asked {
  prepared<Row>(name: string, sql: string, parameters: unknown[]): Promise<Row[]>;
}

/** Proof that this module made the value: nothing outside can name the symbol. */
const made: unique symbol = Symbol('made by the database room');

/** One open transaction. `query` runs SQL with `$1` parameters and answers the rows. */
export class Tx implements Asked {
  readonly [made] = true;
  readonly #client: PoolClient;
  /** What goes with the next statement, in this order. */
  #waiting: Timed[];
  #unanswered = 0;

  constructor(key: typeof made, client: PoolClient, first: readonly Timed[]) {
    if (key !== made) throw new TypeError('transactions come from Database.inOrg and Database.acrossOrgs');
    this.#client = client;
    this.#waiting = [...first];
  }

  async query<Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return (await this.ask({ text: sql, values: parameters })).rows as Row[];
  }

  /**
   * The same for a statement of the hot path: parsed and planned once a connection, under a name of its own. One
   * name, one text, for ever.
   */
  async prepared<Row>(name: string, sql: string, parameters: unknown[]): Promise<Row[]> {
    return (await this.ask({ name, text: sql, values: parameters })).rows as Row[];
  }

  /**
   * The same for what answers nothing: it goes in one write with the next statement, at the latest with the commit.
   * Where it fails so does that one, and the transaction with it.
   */
  async withNext(name: string, sql: string, parameters: unknown[]): Promise<void> {
    const statement = { name, text: sql, values: parameters };
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push({ statement });
    else await this.ask(statement);
  }

  /** The first row, or undefined. */
  async one<Row>(sql: string, parameters: unknown[] = []): Promise<Row | undefined> {
    return (await this.query<Row>(sql, parameters))[0];
  }

  /** The number of rows a statement changed. */
  async change(sql: string, parameters: unknown[] = []): Promise<number> {
    return (await this.ask({ text: sql, values: parameters })).rowCount ?? 0;
  }

  /** Gives the connection to a query that speaks for itself, as COPY does. Nothing else is asked until it has ended. */
  async give<Query extends Submittable>(query: Query): Promise<Query> {
    if (this.#waiting.length > 0) await this.ask({ text: 'SELECT' });
    return this.#client.query(query);
  }

  /** One statement, or several without values; behind what waits for it. For database.ts, and for what is above. */
  async ask(statement: QueryConfig): Promise<QueryResult> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const wire = this.#client as unknown as Wire;
    this.#unanswered += 1;
    try {
      if (waiting.length === 0) return await ask(this.#client, statement);
      // The server takes them one after another, and after one that fails it does none of the transaction.
      wire.pipeline = true;
      wire.connection.stream.cork();
      const sent = [...waiting, { statement }].map((one: Timed) =>
        ask(this.#client, one.statement, one.withinMs),
      );
      wire.connection.stream.uncork();
      await Promise.allSettled(sent);
      // The first that failed says why.
      return (await Promise.all(sent)).at(-1) as QueryResult;
    } finally {
      this.#unanswered -= 1;
      if (this.#unanswered === 0) wire.pipeline = false;
    }
  }
}

/** A transaction that sees the rows of one organization, entered with a credential that is live in it. */
export class OrgTx extends Tx {
  readonly #orgId: string;

  constructor(key: typeof made, client: PoolClient, first: readonly Timed[], orgId: string) {
    super(key, client, first);
    this.#orgId = orgId;
  }

  get orgId(): string {
    return this.#orgId;
  }
}

/** A transaction of the system itself, which sees every organization. */
export class SystemTx extends Tx {
  readonly #reason: string;

  constructor(key: typeof made, client: PoolClient, first: readonly Timed[], reason: string) {
    super(key, client, first);
    this.#reason = reason;
  }

  get reason(): string {
    return this.#reason;
  }
}

/** For database.ts alone; the door of the room does not export it. */
export const makeTx = {
  org: (client: PoolClient, first: readonly Timed[], orgId: string): OrgTx =>
    new OrgTx(made, client, first, orgId),
  system: (client: PoolClient, first: readonly Timed[], reason: string): SystemTx =>
    new SystemTx(made, client, first, reason),
};
