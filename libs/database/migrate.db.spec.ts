import type { MigrationInterface, QueryRunner } from 'typeorm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { emptyDatabase, run } from '../../test/kit/database.ts';
import { migrate } from './migrate.ts';
import { type DatabaseUrls, prepareDatabase } from './prepare.ts';

class AddShelf1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner) {
    await runner.query('create table shelf (id int primary key)');
  }
  async down() {}
}

class AddBook1700000000002 implements MigrationInterface {
  async up(runner: QueryRunner) {
    await runner.query('create table book (id int primary key)');
    // Long enough for others to arrive meanwhile.
    await runner.query('select pg_sleep(0.2)');
  }
  async down() {}
}

class AddNonsense1700000000003 implements MigrationInterface {
  async up(runner: QueryRunner) {
    await runner.query('create table nonsense (id int)');
    await runner.query('select 1 / 0');
  }
  async down() {}
}

const both = [AddShelf1700000000001, AddBook1700000000002];
let database: Awaited<ReturnType<typeof emptyDatabase>>;
let urls: DatabaseUrls;

beforeEach(async () => {
  database = await emptyDatabase();
  urls = await prepareDatabase(database.adminUrl);
});

afterEach(() => database.drop());

const tables = async () =>
  (
    await run(database.adminUrl, `select tablename from pg_tables where schemaname = 'portcullis' order by 1`)
  ).map(({ tablename }) => tablename);

test('migrations run once, in order, into the schema of the product', async () => {
  expect(await migrate(urls.owner, both.toReversed())).toEqual({
    applied: ['AddShelf1700000000001', 'AddBook1700000000002'],
  });
  expect(await migrate(urls.owner, both)).toEqual({ applied: [] });
  expect(await tables()).toEqual(['book', 'migrations', 'shelf']);
});

test('of replicas that start at once, one migrates and the others wait for it', async () => {
  const outcomes = await Promise.all([1, 2, 3, 4].map(() => migrate(urls.owner, both)));
  expect(outcomes.map(({ applied }) => applied.length).sort((a, b) => a - b)).toEqual([0, 0, 0, 2]);
});

test('a database from a newer build is refused and left alone', async () => {
  await migrate(urls.owner, both);
  await expect(migrate(urls.owner, [AddShelf1700000000001])).rejects.toThrow(
    /newer build than this one \(it holds AddBook1700000000002\)/,
  );
});

test('a migration that fails leaves nothing of itself, keeps those before it and frees the lock', async () => {
  await expect(migrate(urls.owner, [...both, AddNonsense1700000000003])).rejects.toThrow(/division by zero/);
  expect(await tables()).toEqual(['book', 'migrations', 'shelf']);
  expect(await migrate(urls.owner, both)).toEqual({ applied: [] });
});
