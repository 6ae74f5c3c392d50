import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Clock } from '#kernel';
import { cloneDatabase, run, type TestDatabase } from '../../test/kit/database.ts';
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

async function until(holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not so within ${withinMs} ms: ${holds.toString()}`);
    await sleep(5);
  }
}

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

  async function msFor(work: Promise<unknown>): Promise<number> {
    const began = performance.now();
    await work;
    return performance.now() - began;
  }

  it('joins at the end of the stream, is fresh, and renews its lease', async () => {
    await invalidate('session:before');
    const one = await replica().fresh();
    expect((await rows()).map(({ acked, live }) => [acked, live])).toEqual([[await head(), true]]);
    await sleep(2 * LEASE_MS);
    expect(one.stream.isFresh).toBe(true);
    expect(await rows()).toHaveLength(1);
    expect(one.told.filter((what) => what !== 'LAPSED')).toEqual([]);
  });

  it('tells each process what was invalidated, in order and once, and settles at once', async () => {
    const all = await Promise.all([replica().fresh(), replica().fresh(), replica().fresh()]);
    const names = Array.from({ length: 20 }, (_, n) => `session:${n}`);
    const took: number[] = [];
    for (const name of names) {
      const position = await invalidate(name);
      took.push(await msFor(all[0].stream.settled(position)));
      for (const { told } of all) expect(told.at(-1)).toBe(name);
    }
    for (const { told } of all) expect(told.filter((what) => what !== 'LAPSED')).toEqual(names);
    took.sort((a, b) => a - b);
    console.log(
      `settled with 3 processes: median ${took[10]?.toFixed(1)} ms, most ${took.at(-1)?.toFixed(1)} ms`,
    );
    expect(took[10]).toBeLessThan(LEASE_MS / 2);
  });

  it('waits for a process that does not answer until its lease has run out, and no longer', async () => {
    const one = await replica().fresh();
    // A process that renewed just now and then was stopped.
    await sql(
      `INSERT INTO portcullis.replicas (id, name, acked, lease_until)
       VALUES (gen_random_uuid(), 'stopped', $1, clock_timestamp() + interval '1 s')`,
      [await head()],
    );
    const position = await invalidate('session:1');
    const took = await msFor(one.stream.settled(position));
    expect(took).toBeGreaterThan(LEASE_MS * 0.9);
    expect(took).toBeLessThan(LEASE_MS * 1.5);
  });

  it('does not wait for a process that is long gone', async () => {
    const one = await replica().fresh();
    await sql(
      `INSERT INTO portcullis.replicas (id, name, acked, lease_until)
       VALUES (gen_random_uuid(), 'gone', 0, clock_timestamp() - interval '5 s')`,
    );
    expect(await msFor(one.stream.settled(await invalidate('session:1')))).toBeLessThan(LEASE_MS / 2);
  });

  it('settles within a lease where it cannot ask, and not before', async () => {
    const one = await replica().fresh();
    const position = await invalidate('session:1');
    await one.stream.stop();
    const took = await msFor(one.stream.settled(position));
    expect(took).toBeGreaterThan(LEASE_MS * 0.9);
    expect(took).toBeLessThan(LEASE_MS * 1.5);
  });

  it('tells that the lease lapsed before it is fresh again', async () => {
    const one = await replica().fresh();
    one.told.length = 0;
    one.freshAtLapse = [];
    one.clock.advance(LEASE_MS);
    expect(one.stream.isFresh).toBe(false);
    await one.fresh();
    expect(one.told).toEqual(['LAPSED']);
    expect(one.freshAtLapse).toEqual([false]);
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
    expect(one.told.at(-1)).toBe('session:next');
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
    expect(one.told.at(-1)).toBe('session:again');
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
      expect(one.told.at(-1)).toBe(`session:${turn}`);
      expect(await rows(), 'one connection, one lease').toHaveLength(1);
    }
    const [open] = await sql(
      `SELECT count(*)::int AS n FROM pg_stat_activity
        WHERE application_name = 'portcullis invalidations' AND datname = current_database()`,
    );
    expect(open?.['n']).toBe(1);
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
    expect(one.told.filter((what) => what !== 'LAPSED')).toEqual(positions.map(({ subject }) => subject));
  });
});
