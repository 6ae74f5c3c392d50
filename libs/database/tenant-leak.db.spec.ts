import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cloneDatabase, run, type TestDatabase } from '../../test/kit/database.ts';
import { orgTables } from '../../test/kit/sql.ts';
import { callerIn, seedTenant, type SeededTenant } from '../../test/kit/tenants.ts';
import { Database } from './database.ts';
import type { OrgTx } from './tx.ts';

/**
 * T12: two organizations share one connection, and whatever goes wrong in the transaction of one, the other then
 * sees its own rows and nothing else. The pool holds a single connection, so each transaction gets the very one
 * that the one before it left behind.
 */
let clone: TestDatabase;
let database: Database;
let tenants: [SeededTenant, SeededTenant];
let tables: { table: string; column: string }[];

beforeAll(async () => {
  clone = await cloneDatabase();
  tenants = [await seedTenant(clone.adminUrl), await seedTenant(clone.adminUrl)];
  tables = (await orgTables(clone.adminUrl)).filter(({ table }) => !appMayNotRead.has(table));
  database = new Database({ urls: clone.urls, poolSize: 1 }, { settled: async () => undefined });
  await database.connect();
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await clone.drop();
});

/** The app has no privilege on these. */
const appMayNotRead = new Set(['refresh_tokens', 'refresh_successors', 'challenges', 'idempotency_keys']);

/** Every organization whose rows this transaction can see, over all tables. */
async function seen(tx: OrgTx): Promise<string[]> {
  const parts = tables.map(
    ({ table, column }) => `SELECT '${table}' AS name, ${column} AS org FROM ${table}`,
  );
  const rows = await tx.query<{ name: string; org: string }>(parts.join(' UNION '));
  // Each of the tables has rows of both organizations, so one that is missing would be a test of nothing.
  expect(new Set(rows.map(({ name }) => name)).size).toBe(tables.length);
  return [...new Set(rows.map(({ org }) => org))];
}

/** What can go wrong in the middle of a transaction, and how it then ends. */
const troubles: Record<string, (tx: OrgTx) => Promise<unknown>> = {
  nothing: () => Promise.resolve(),
  'an error of ours': () => Promise.reject(new Error('planned')),
  'an error of the database': (tx) => tx.query('SELECT 1 / 0'),
  'an error that is swallowed': (tx) => tx.query('SELECT 1 / 0').catch(() => undefined),
  'a statement timeout': async (tx) => {
    await tx.query('SET LOCAL statement_timeout = 5');
    await tx.query('SELECT pg_sleep(5)');
  },
  'the connection killed': async (tx) => {
    const [row] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await run(clone.adminUrl, 'SELECT pg_terminate_backend($1)', [row?.pid]);
    await tx.query('SELECT 1');
  },
  'a write refused at the commit': (tx) => tx.query(`UPDATE roles SET description = 'without a record'`),
  'a commit of its own': (tx) => tx.query('COMMIT'),
  'a savepoint left open': (tx) => tx.query('SAVEPOINT open'),
};

/** Sees what it sees, then runs into trouble; how it ends is not what this is about. */
async function visit(tenant: SeededTenant, trouble: string, through = database): Promise<void> {
  let saw: string[] = [];
  const work = through.inOrg(callerIn(tenant), async (tx) => {
    saw = await seen(tx);
    await troubles[trouble]?.(tx);
  });
  await work.catch(() => undefined);
  expect(saw, `after whatever came before ${trouble}`).toEqual([tenant.orgId]);
  expect(await leftBehind(through), `after ${trouble}`).toEqual([]);
}

/** What the connection itself still shows to a query that entered no organization. */
function leftBehind(through: Database): Promise<unknown[]> {
  type Source = { query(sql: string): Promise<unknown[]> };
  type Pool = { use(work: (source: Source) => Promise<unknown[]>): Promise<unknown[]> };
  const { app } = through as unknown as { app: Pool };
  return app.use((source) => source.query('SELECT 1 FROM roles'));
}

test.each(Object.keys(troubles))(
  'after %s the other organization sees its own rows only',
  async (trouble) => {
    const [a, b] = tenants;
    await visit(a, trouble);
    await visit(b, 'nothing');
    await visit(b, trouble);
    await visit(a, 'nothing');
  },
);

test('the troubles are what they say', async () => {
  const endOf = async (trouble: string): Promise<string> =>
    database
      .inOrg(callerIn(tenants[0]), async (tx) => {
        await troubles[trouble]?.(tx);
      })
      .then(
        () => 'ok',
        (error: unknown) => {
          const { code, cause } = error as { code?: string; cause?: { code?: string; message?: string } };
          return cause?.code ?? cause?.message ?? code ?? (error as Error).message;
        },
      );
  expect(await endOf('nothing')).toBe('ok');
  expect(await endOf('an error of ours')).toBe('planned');
  expect(await endOf('an error of the database')).toBe('22012');
  expect(await endOf('a statement timeout')).toBe('57014');
  expect(await endOf('the connection killed')).toMatch(/57P01|terminated|connection error/);
  expect(await endOf('a write refused at the commit')).toBe('PC001');
});

test('no order of visits and troubles leaks anything: 200 of them on one connection', async () => {
  const visits = fc.array(fc.tuple(fc.constantFrom(0, 1), fc.constantFrom(...Object.keys(troubles))), {
    minLength: 2,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(visits, async (plan) => {
      for (const [who, trouble] of plan) await visit(tenants[who] ?? tenants[0], trouble);
    }),
    { numRuns: 200 },
  );
});

test('visits at once wait for the connection and see their own', async () => {
  // No more at once than come to their turn within two seconds on a busy machine: after that they are refused.
  for (let round = 0; round < 6; round += 1) {
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        visit(tenants[index % 2] ?? tenants[0], index % 3 === 0 ? 'an error of the database' : 'nothing'),
      ),
    );
  }
});

test('T12: twenty workers of two tenants, four at once on two connections, see their own, whatever goes wrong meanwhile', async () => {
  const narrow = new Database({ urls: clone.urls, poolSize: 2 }, { settled: async () => undefined });
  await narrow.connect();
  try {
    const names = Object.keys(troubles);
    const worker = async (nth: number): Promise<number> => {
      let visits = 0;
      for (let turn = 0; turn < names.length; turn += 1) {
        const tenant = tenants[(nth + turn) % 2] ?? tenants[0];
        await visit(tenant, names[(nth + turn) % names.length]!, narrow);
        visits += 1;
      }
      return visits;
    };
    const visits: number[] = [];
    while (visits.length < 20)
      visits.push(...(await Promise.all([0, 1, 2, 3].map((n) => worker(visits.length + n)))));
    expect(visits).toEqual(Array.from({ length: 20 }, () => names.length));
  } finally {
    await narrow.onApplicationShutdown();
  }
});

test('a transaction that nobody entered an organization for sees nothing', async () => {
  for (const { table } of tables) {
    expect(await run(clone.urls.app, `SELECT 1 FROM ${table}`), table).toEqual([]);
  }
  expect(tables.length).toBeGreaterThanOrEqual(10);
});

test('a credential opens no organization but its own, and none once it has ended', async () => {
  const [a, b] = tenants;
  const enter = (tenant: SeededTenant, credentialOf: SeededTenant) =>
    database.inOrg({ ...callerIn(tenant), sessionId: credentialOf.sessionId }, () => Promise.resolve('in'));
  await expect(enter(a, a)).resolves.toBe('in');
  await expect(enter(b, a)).rejects.toMatchObject({ code: 'database.credential_ended' });
  await expect(enter(a, b)).rejects.toMatchObject({ code: 'database.credential_ended' });
});
