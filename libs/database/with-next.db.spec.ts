import { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { cloneDatabase, run, type TestDatabase } from '../../test/kit/database.ts';
import { Database } from './database.ts';
import type { SystemTx } from './tx.ts';

let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  testDatabase = await cloneDatabase();
  database = new Database({ urls: testDatabase.urls, poolSize: 1 }, { settled: async () => undefined });
  await database.connect();
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await testDatabase.drop();
});
afterEach(() => vi.restoreAllMocks());

const within = <T>(work: (tx: SystemTx) => Promise<T>): Promise<T> =>
  database.acrossOrgs('count_attempts', work);
/** Adds a pool of attempts, or fails where there is one of the name. */
const add = (tx: SystemTx, pool: string, attempts = 1): Promise<void> =>
  tx.withNext(
    'spec_add',
    `INSERT INTO attempt_counters (pool, attempts, window_ends) VALUES ($1, $2, now() + interval '1 hour')`,
    [pool, attempts],
  );
const names = async (like: string): Promise<string[]> =>
  (
    await run(
      testDatabase.urls.system,
      `SELECT pool FROM attempt_counters WHERE pool LIKE '${like}%' ORDER BY pool`,
    )
  ).map(({ pool }) => String(pool));

describe('a statement that answers nothing', () => {
  it('goes before the next one, in one write with it', async () => {
    await within(async (tx) => {
      await tx.query('SELECT 1');
      await add(tx, 'order:a');
      await add(tx, 'order:b');
      const sockets = Socket.prototype as unknown as Record<'_write' | '_writev', () => void>;
      const writes = [vi.spyOn(sockets, '_write'), vi.spyOn(sockets, '_writev')];
      const rows = await tx.query<{ pool: string }>(
        `SELECT pool FROM attempt_counters WHERE pool LIKE $1 ORDER BY pool`,
        ['order:%'],
      );
      expect(rows.map(({ pool }) => pool)).toEqual(['order:a', 'order:b']);
      expect(writes.flatMap(({ mock }) => mock.calls)).toHaveLength(1);
    });
    expect(await names('order:')).toEqual(['order:a', 'order:b']);
  });

  it('goes with the commit where nothing follows, and is committed when that answers', async () => {
    await within((tx) => add(tx, 'last:a'));
    expect(await names('last:')).toEqual(['last:a']);
  });

  it('that fails fails the next one, for its own reason, and nothing is committed', async () => {
    await within((tx) => add(tx, 'twice:a'));
    const reached: unknown[] = [];
    const failed = within(async (tx) => {
      await add(tx, 'twice:b');
      await add(tx, 'twice:a');
      reached.push(await tx.query('SELECT 1'));
    });
    await expect(failed).rejects.toMatchObject({ code: 'database.conflict', cause: { code: '23505' } });
    expect(reached).toEqual([]);
    expect(await names('twice:')).toEqual(['twice:a']);
  });

  it('that fails with the commit commits nothing', async () => {
    const failed = within(async (tx) => {
      await add(tx, 'commit:a');
      await tx.query('SELECT 1');
      await add(tx, 'commit:a');
    });
    await expect(failed).rejects.toMatchObject({ code: 'database.conflict' });
    expect(await names('commit:')).toEqual([]);
    // The connection, of which there is one, is as good as before.
    expect(await within((tx) => tx.query('SELECT 1 AS n'))).toEqual([{ n: 1 }]);
  });

  it('is lost with a transaction that fails before the next', async () => {
    const failed = within(async (tx) => {
      await add(tx, 'lost:a');
      throw new Error('changed its mind');
    });
    await expect(failed).rejects.toThrow('changed its mind');
    await within((tx) => tx.query('SELECT 1'));
    expect(await names('lost:')).toEqual([]);
  });

  it('may be one of very many', async () => {
    await within(async (tx) => {
      for (let n = 0; n < 1_000; n += 1) await add(tx, `many:${String(n).padStart(4, '0')}`);
    });
    expect(await names('many:')).toHaveLength(1_000);
  });

  it('leaves statements asked at once answered each by its own', async () => {
    const answers = await within(async (tx) => {
      await add(tx, 'both:a');
      return Promise.all([1, 2, 3].map((n) => tx.query<{ n: number }>(`SELECT ${n} AS n`)));
    });
    expect(answers).toEqual([[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]]);
  });
});
