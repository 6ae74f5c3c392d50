import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Clock } from '#kernel';
import { cloneDatabase, run, type TestDatabase } from '../../test/kit/database.ts';
import { beside } from '../../test/kit/stopwatch.ts';
import { until as untilTrue } from '../../test/kit/until.ts';
import { InvalidationStream, LEASE_MS } from './invalidation-stream.ts';

/** The system's clock, which a test can stop: for a process that stands still while the database goes on. */
class StoppableClock extends Clock {
  #lead = 0;

  now(): Date {
    return new Date(Date.now() + this.#lead);
  }

  monotonic(): number {
    return performance.now() + this.#lead;
  }

  /** What `ms` without a beat would do. */
  advance(ms: number): void {
    this.#lead += ms;
  }
}

/** A process that caches: its stream, and what it was told. */
class Replica {
  readonly clock = new StoppableClock();
  readonly stream: InvalidationStream;
  readonly told: string[] = [];
  /** Was the stream fresh when it told that the lease had lapsed? */
  freshAtLapse: boolean[] = [];

  constructor(url: string) {
    this.stream = new InvalidationStream(url, this.clock);
    this.stream.listen({
      dropped: (subjects) => void this.told.push(...subjects),
      lapsed: () => {
        this.told.push('LAPSED');
        this.freshAtLapse.push(this.stream.isFresh);
      },
    });
    this.stream.start();
  }

  async fresh(): Promise<this> {
    await until(() => this.stream.isFresh);
    return this;
  }
}

const until = (holds: () => boolean | Promise<boolean>): Promise<boolean> => untilTrue(async () => holds());

describe('the invalidation stream', () => {
  let database: TestDatabase;
  const replicas: Replica[] = [];
  beforeAll(async () => {
    database = await cloneDatabase();
  });
  afterAll(() => database.drop());
  beforeEach(() => sql('DELETE FROM portcullis.replicas'));
  afterEach(async () => {
    await Promise.all(replicas.splice(0).map(({ stream }) => stream.stop()));
  });

  const sql = (text: string, values?: unknown[]) => run(database.adminUrl, text, values);
  const replica = (): Replica => {
    const made = new Replica(database.urls.system);
    replicas.push(made);
    return made;
  };
  const rows = () =>
    sql('SELECT id, acked::int, lease_until > clock_timestamp() AS live FROM portcullis.replicas') as Promise<
      { id: string; acked: number; live: boolean }[]
    >;
  const head = async () =>
    Number((await sql('SELECT coalesce(max(pos), 0)::int AS pos FROM portcullis.invalidations'))[0]?.['pos']);

  /** What a revocation commits, without the rest of it. Answers its position. */
  async function invalidate(...subjects: string[]): Promise<bigint> {
    const [last] = (
      await sql(
        `WITH added AS (
           INSERT INTO portcullis.invalidations (pos, subject)
           SELECT (SELECT coalesce(max(pos), 0) FROM portcullis.invalidations) + n, subject
             FROM unnest($1::text[]) WITH ORDINALITY AS s (subject, n) RETURNING pos)
         SELECT max(pos) AS pos, pg_notify('portcullis_invalidations', '') FROM added`,
        [subjects],
      )
    ).map((row) => BigInt(String(row['pos'])));
    return last ?? 0n;
  }

  /** How long it took to settle, in milliseconds, and what of that was the machine's. */
  const settling = (one: Replica, position: bigint) =>
    beside(
      () => sql('SELECT 1'),
      () => one.stream.settled(position),
    );

  it('joins at the end of the stream, is fresh, and renews its lease', async () => {
    await invalidate('session:before');
    const one = await replica().fresh();
    await expect
      .poll(async () => (await rows()).map(({ acked, live }) => [acked, live]))
      .toEqual([[await head(), true]]);
    const end = async () => (await sql('SELECT lease_until FROM portcullis.replicas'))[0]?.['lease_until'];
    const first = Number(await end());
    // Renewed more than once: no lease is as long as this.
    await until(async () => Number(await end()) > first + 2 * LEASE_MS);
    await one.fresh();
    expect(await rows()).toHaveLength(1);
    expect(one.told.filter((what) => what !== 'LAPSED')).toEqual([]);
  });

  it('tells each process what was invalidated, in order and once, and settles at once', async () => {
    const all = await Promise.all([replica().fresh(), replica().fresh(), replica().fresh()]);
    const names: string[] = [];
    const took: number[] = [];
    // On a busy machine a lease may lapse meanwhile, and who lapsed is waited for no longer than that: such a turn
    // proves only that nobody goes on from the cache untold.
    while (took.length < 20) {
      const name = `session:${names.length}`;
      names.push(name);
      const position = await invalidate(name);
      const began = performance.now();
      await all[0].stream.settled(position);
      const ms = performance.now() - began;
      for (const { told, stream } of all) expect(told.includes(name) || !stream.isFresh).toBe(true);
      if (all.every(({ told }) => told.at(-1) === name)) took.push(ms);
    }
    for (const { told } of all) expect(told.filter((what) => what !== 'LAPSED')).toEqual(names);
    // What waited for a lease to end would take as long each time.
    expect(Math.min(...took)).toBeLessThan(LEASE_MS / 2);
  });

  it('waits for a process that does not answer until its lease has run out, and no longer', async () => {
    const one = await replica().fresh();
    // A process that renewed just now and then was stopped.
    await sql(
      `INSERT INTO portcullis.replicas (id, name, acked, lease_until)
       VALUES (gen_random_uuid(), 'stopped', $1, clock_timestamp() + interval '1 s')`,
      [await head()],
    );
    const { ms, machine } = await settling(one, await invalidate('session:1'));
    const over = `SELECT lease_until <= clock_timestamp() AS over FROM portcullis.replicas WHERE name = 'stopped'`;
    expect(await sql(over)).toEqual([{ over: true }]);
    expect(ms - machine).toBeLessThan(LEASE_MS * 1.5);
  });

  it('does not wait for a process that is long gone', async () => {
    const one = await replica().fresh();
    await sql(
      `INSERT INTO portcullis.replicas (id, name, acked, lease_until)
       VALUES (gen_random_uuid(), 'gone', 0, clock_timestamp() - interval '5 s')`,
    );
    const took: number[] = [];
    for (let turn = 0; turn < 10; turn += 1)
      took.push((await settling(one, await invalidate(`session:${turn}`))).ms);
    expect(Math.min(...took)).toBeLessThan(LEASE_MS / 2);
  });

  it('settles within a lease where it cannot ask, and not before', async () => {
    const one = await replica().fresh();
    const position = await invalidate('session:1');
    await one.stream.stop();
    const { ms, machine } = await settling(one, position);
    expect(ms).toBeGreaterThan(LEASE_MS * 0.9);
    expect(ms - machine).toBeLessThan(LEASE_MS * 1.5);
  });

  it('tells that the lease lapsed before it is fresh again', async () => {
    const one = await replica().fresh();
    one.told.length = 0;
    one.freshAtLapse = [];
    one.clock.advance(LEASE_MS);
    expect(one.stream.isFresh).toBe(false);
    await one.fresh();
    expect(new Set(one.told)).toEqual(new Set(['LAPSED']));
    expect(new Set(one.freshAtLapse)).toEqual(new Set([false]));
  });

  it('tells that there is a gap, where what it has not read was pruned', async () => {
    const one = await replica().fresh();
    await invalidate('session:known');
    await until(() => one.told.includes('session:known'));
    one.told.length = 0;
    one.freshAtLapse = [];
    await sql(
      `WITH added AS (
         INSERT INTO portcullis.invalidations (pos, subject)
         SELECT (SELECT max(pos) FROM portcullis.invalidations) + 5, 'session:after' RETURNING 1)
       DELETE FROM portcullis.invalidations`,
    );
    await until(() => one.told.includes('LAPSED'));
    await one.fresh();
    expect(one.freshAtLapse).not.toContain(true);
    const [own] = await rows();
    expect(own?.acked).toBe(await head());
    const position = await invalidate('session:next');
    await one.stream.settled(position);
    await until(() => one.told.includes('session:next'));
  });

  it('goes on from the end of the stream where that went back, as after a restore', async () => {
    await invalidate('session:1', 'session:2', 'session:3');
    const one = await replica().fresh();
    one.told.length = 0;
    await sql(
      'DELETE FROM portcullis.invalidations WHERE pos > (SELECT max(pos) - 2 FROM portcullis.invalidations)',
    );
    await until(() => one.told.includes('LAPSED'));
    await one.fresh();
    await one.stream.settled(await invalidate('session:again'));
    await until(() => one.told.includes('session:again'));
  });

  it('drops everything and goes on when its connection is cut', async () => {
    const one = await replica().fresh();
    for (let turn = 0; turn < 5; turn += 1) {
      one.told.length = 0;
      one.freshAtLapse = [];
      await sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'portcullis invalidations' AND datname = current_database()`,
      );
      await until(() => one.told.includes('LAPSED'));
      await one.fresh();
      expect(one.freshAtLapse).not.toContain(true);
      await one.stream.settled(await invalidate(`session:${turn}`));
      await until(() => one.told.includes(`session:${turn}`));
      expect(await rows(), 'one connection, one lease').toHaveLength(1);
    }
    const open = `SELECT count(*)::int AS n FROM pg_stat_activity
        WHERE application_name = 'portcullis invalidations' AND datname = current_database()`;
    await expect.poll(() => sql(open)).toEqual([{ n: 1 }]);
  });

  it('takes a new lease where somebody removed its own', async () => {
    const one = await replica().fresh();
    one.told.length = 0;
    one.freshAtLapse = [];
    await sql('DELETE FROM portcullis.replicas');
    await until(() => one.told.includes('LAPSED'));
    expect(one.freshAtLapse[0]).toBe(false);
    await until(async () => (await rows()).some(({ live }) => live));
  });

  it('is not fresh any more, and is waited for by nobody, once it stopped', async () => {
    for (let turn = 0; turn < 10; turn += 1) {
      const one = await replica().fresh();
      // At any point of a beat.
      await sleep(turn);
      await one.stream.stop();
      expect(one.stream.isFresh).toBe(false);
      expect(one.told.at(-1)).toBe('LAPSED');
      expect(await rows()).toEqual([]);
    }
  });

  it('gives positions without gaps, in order of commit, to writers at once', async () => {
    const one = await replica().fresh();
    const before = await head();
    await run(
      database.urls.owner,
      `INSERT INTO portcullis.users (id, email, name)
      SELECT gen_random_uuid(), 'w' || n || '@example.com', 'W' FROM generate_series(1, 8) n`,
    );
    /** What each commit was given, in the order in which commits were answered. */
    const given: { writer: number; pos: number }[] = [];
    const write = async (writer: number) => {
      for (let turn = 0; turn < 10; turn += 1) {
        const [row] = (await run(
          database.urls.owner,
          `WITH changed AS (
             UPDATE portcullis.users SET name = 'W${turn}' WHERE email = 'w${writer}@example.com' RETURNING id)
           SELECT id, pg_sleep(random() / 100) FROM changed`,
        )) as { id: string }[];
        const [found] = await sql(
          'SELECT max(pos)::int AS pos FROM portcullis.invalidations WHERE subject = $1',
          [`user:${row?.id}`],
        );
        given.push({ writer, pos: Number(found?.['pos']) });
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, n) => write(n + 1)));
    const positions = (await sql(
      'SELECT pos::int AS pos, subject FROM portcullis.invalidations WHERE pos > $1 ORDER BY pos',
      [before],
    )) as { pos: number; subject: string }[];
    expect(positions.map(({ pos }) => pos)).toEqual(Array.from({ length: 80 }, (_, n) => before + n + 1));
    for (let writer = 1; writer <= 8; writer += 1) {
      const own = given.filter((each) => each.writer === writer).map(({ pos }) => pos);
      expect(own, 'a later commit has a later position').toEqual([...new Set(own)].sort((a, b) => a - b));
    }
    await one.stream.settled(BigInt(await head()));
    await expect
      .poll(() => one.told.filter((what) => what !== 'LAPSED'))
      .toEqual(positions.map(({ subject }) => subject));
  });
});
