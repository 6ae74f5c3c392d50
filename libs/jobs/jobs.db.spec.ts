import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JobCatalogue } from '#access';
import { Database, type SystemTx } from '#database';
import { newMasterKey, until } from '../../test/kit/app-in-process.ts';
import { beside } from '../../test/kit/stopwatch.ts';
import { cloneDatabase, run, type TestDatabase } from '../../test/kit/database.ts';
import { StallingProxy } from '../../test/kit/stalling-proxy.ts';
import { asRole, stateOf } from '../../test/kit/sql.ts';
import { makeBoss } from './boss.ts';
import { JobFailure, Jobs, JobsConfig, JobQueue } from './index.ts';

interface Letter {
  text: string;
}
type Handle = (data: Letter, job: { id: string; attempt: number }) => Promise<void>;

const settings = { retries: 2, firstDelay: 1, longestDelay: 1, within: 60, concurrency: 2 };
const key = newMasterKey();
let clone: TestDatabase;
let database: Database;
const started: Jobs[] = [];
const reports: unknown[] = [];
let queues = 0;

beforeAll(async () => {
  clone = await cloneDatabase();
  database = new Database({ urls: clone.urls, poolSize: 4 }, { settled: async () => undefined });
  await database.connect();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((jobs) => jobs.onModuleDestroy()));
  reports.length = 0;
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await clone.drop();
});

const cheapest = (): Promise<unknown> => run(clone.adminUrl, 'SELECT 1');
const newQueue = (more: object = {}): JobQueue<Letter> =>
  new JobQueue<Letter>(`queue-${++queues}`, { ...settings, ...more });

/** One process that works the queue off, or only adds to it. */
async function process(
  queue: JobQueue<Letter>,
  handle?: Handle,
  { url = clone.urls.system, seal = key } = {},
): Promise<Jobs> {
  const handler = {
    queue,
    provider: 'Spec',
    handlerName: 'handle',
    rule: { word: 'unattended', why: 'a test' },
    run: handle ?? (async () => undefined),
  };
  const jobs = new Jobs(new JobsConfig(url, seal), { handlers: [handler] } as unknown as JobCatalogue);
  started.push(jobs);
  await jobs.start({ works: handle !== undefined, report: (failure) => reports.push(failure) });
  return jobs;
}
const inTx = <T>(work: (tx: SystemTx) => Promise<T>): Promise<T> => database.acrossOrgs('housekeeping', work);
const add = (jobs: Jobs, queue: JobQueue<Letter>, text: string): Promise<string> =>
  inTx((tx) => jobs.enqueue(tx, queue, { text }));
const rows = (queue: string, state?: string): Promise<Record<string, unknown>[]> =>
  run(clone.adminUrl, `SELECT * FROM pgboss.job WHERE name = $1 AND ($2::text IS NULL OR state::text = $2)`, [
    queue,
    state,
  ]);

describe('a job', () => {
  it('is worked off once, whoever looks for it: twenty by three processes', async () => {
    const queue = newQueue();
    const seen: string[] = [];
    const handle: Handle = async ({ text }) => {
      seen.push(text);
      await sleep(20);
    };
    const adder = await process(queue);
    await Promise.all([process(queue, handle), process(queue, handle), process(queue, handle)]);
    const texts = Array.from({ length: 20 }, (_, n) => `letter ${n}`);
    // One transaction gives one notice for all.
    await inTx(async (tx) => {
      for (const text of texts) await adder.enqueue(tx, queue, { text });
    });
    await until(async () => (await rows(queue.name, 'completed')).length === 20);
    expect(seen.toSorted()).toEqual(texts.toSorted());
  });

  it('begins without waiting for the next look', async () => {
    const queue = newQueue();
    const begun: string[] = [];
    const jobs = await process(queue, async ({ text }) => void begun.push(text));
    // Past the first look, which finds nothing.
    await sleep(300);
    for (let n = 0; n < 3; n += 1) {
      const { ms, machine } = await beside(cheapest, async () => {
        await add(jobs, queue, 'hurry');
        await until(async () => begun.length > n);
      });
      expect(ms - machine).toBeLessThan(1_000);
    }
  });

  it('does not exist where its transaction rolls back', async () => {
    const queue = newQueue();
    const jobs = await process(queue);
    const failing = inTx(async (tx) => {
      await jobs.enqueue(tx, queue, { text: 'no' });
      await tx.query('SELECT 1 / 0');
    });
    await expect(failing).rejects.toThrow();
    expect(await rows(queue.name)).toEqual([]);
  });

  it('is tried again after a failure and then is a dead letter, with all its data and no word of the error', async () => {
    const queue = newQueue();
    const attempts: unknown[] = [];
    let mended = false;
    const jobs = await process(queue, async (data, job) => {
      attempts.push({ ...data, ...job });
      if (mended) return;
      throw Object.assign(new Error(`cannot write to ${data.text}`), { code: 'EBADLETTER' });
    });
    const id = await add(jobs, queue, 'anna@x.example');
    const [dead] = await until(async () => {
      const found = await rows(queue.deadLetters);
      return found.length > 0 && found;
    });
    expect(attempts).toEqual([0, 1, 2].map((attempt) => ({ text: 'anna@x.example', id, attempt })));
    expect(dead).toMatchObject({ state: 'created', source_id: id, source_output: { code: 'EBADLETTER' } });
    const all = [...(await rows(queue.name)), ...(await rows(queue.deadLetters))];
    expect(JSON.stringify(all)).not.toMatch(/anna|cannot write/);
    expect(reports).toHaveLength(3);
    expect(String(reports[2])).toContain('EBADLETTER in attempt 3 and is a dead letter');
    expect(reports.join()).not.toMatch(/anna|cannot write/);

    // As docs/operations.md says, once the cause is mended.
    mended = true;
    const boss = makeBoss(clone.urls.system, false, false);
    await boss.start();
    expect(await boss.redrive(queue.deadLetters)).toBe(1);
    await boss.stop();
    await until(async () => (await rows(queue.name, 'completed')).length === 1);
    expect(attempts.at(-1)).toEqual({ text: 'anna@x.example', id, attempt: 0 });
  });

  it('is a dead letter at once where its failure is final', async () => {
    const queue = newQueue();
    let attempts = 0;
    const jobs = await process(queue, async () => {
      attempts += 1;
      throw new JobFailure('hopeless', true);
    });
    await add(jobs, queue, 'x');
    await until(async () => (await rows(queue.deadLetters)).length === 1);
    expect(attempts).toBe(1);
  });

  it.each([
    ['another key', { seal: newMasterKey() }, ''],
    ['the data of another job', {}, `data = data || '{"id": "01890000-0000-7000-8000-000000000000"}'`],
  ])('is not run with %s', async (_what, other, tampering) => {
    const queue = newQueue({ retries: 0 });
    const adder = await process(queue);
    await add(adder, queue, 'x');
    if (tampering)
      await run(clone.adminUrl, `UPDATE pgboss.job SET ${tampering} WHERE name = '${queue.name}'`);
    const seen: string[] = [];
    await process(queue, async ({ text }) => void seen.push(text), other);
    const [dead] = await until(async () => {
      const found = await rows(queue.deadLetters);
      return found.length > 0 && found;
    });
    expect(dead).toMatchObject({ source_output: { code: 'unreadable' } });
    expect(seen).toEqual([]);
  });

  it('comes by itself where its queue has a cron, without data', async () => {
    const queue = newQueue({ cron: '* * * * *' });
    const seen: unknown[] = [];
    const handle: Handle = async (data) => void seen.push(data);
    const first = await process(queue, handle);
    await first.onModuleDestroy();
    // Crons are looked at every half minute, and when a process starts.
    await run(clone.adminUrl, 'UPDATE pgboss.version SET cron_on = NULL');
    await process(queue, handle);
    await until(async () => seen.length > 0);
    expect(seen[0]).toBeUndefined();
    expect(reports).toEqual([]);
    await process(newQueue(), handle);
    expect(await run(clone.adminUrl, 'SELECT name FROM pgboss.schedule')).toEqual([]);
  });
});

describe('a stop', () => {
  it('waits for the job under way', async () => {
    const queue = newQueue();
    let [begun, ended] = [false, false];
    const jobs = await process(queue, async () => {
      begun = true;
      await sleep(700);
      ended = true;
    });
    await add(jobs, queue, 'x');
    await until(async () => begun);
    await jobs.onModuleDestroy();
    expect(ended).toBe(true);
    expect(await rows(queue.name, 'completed')).toHaveLength(1);
    await expect(add(jobs, queue, 'y')).rejects.toMatchObject({ code: 'jobs.unavailable' });
  });

  it('gives back what does not end, within five seconds', async () => {
    const queue = newQueue();
    let attempts = 0;
    const handle: Handle = async () => {
      attempts += 1;
      if (attempts === 1) await new Promise(() => undefined);
    };
    const jobs = await process(queue, handle);
    await add(jobs, queue, 'x');
    await until(async () => attempts === 1);
    const { ms, machine } = await beside(cheapest, () => jobs.onModuleDestroy());
    expect(ms - machine).toBeLessThan(5_500);
    await process(queue, handle);
    await until(async () => (await rows(queue.name, 'completed')).length === 1);
    expect(attempts).toBe(2);
  });
});

describe('a database that is away', () => {
  it('at the start is waited for; until then nothing is added', async () => {
    const proxy = await StallingProxy.before(clone.urls.system);
    const { url } = proxy;
    proxy.lead('postgresql://127.0.0.1:1/nowhere');
    const queue = newQueue();
    const seen: string[] = [];
    const jobs = await process(queue, async ({ text }) => void seen.push(text), { url });
    await expect(add(jobs, queue, 'early')).rejects.toMatchObject({ code: 'jobs.unavailable' });
    expect(reports).toHaveLength(1);
    proxy.lead(clone.urls.system);
    await until(() => add(jobs, queue, 'late').catch(() => undefined));
    await until(async () => seen.length > 0);
    expect(seen).toEqual(['late']);
    await jobs.onModuleDestroy();
    await proxy.close();
  });

  it('and comes back loses no job: what was added meanwhile is worked off', async () => {
    const proxy = await StallingProxy.before(clone.urls.system);
    const queue = newQueue();
    const seen: string[] = [];
    const jobs = await process(queue, async ({ text }) => void seen.push(text), { url: proxy.url });
    const adder = await process(queue);
    await add(adder, queue, 'before');
    await until(async () => seen.includes('before'));
    const target = clone.urls.system;
    proxy.lead('postgresql://127.0.0.1:1/nowhere');
    await run(
      clone.adminUrl,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'portcullis jobs' AND datname = current_database()`,
    );
    await until(() => add(adder, queue, 'during').catch(() => undefined));
    await sleep(500);
    expect(seen).not.toContain('during');
    proxy.lead(target);
    await until(async () => seen.includes('during'));
    expect(reports.length).toBeGreaterThan(0);
    await jobs.onModuleDestroy();
    await proxy.close();
  });
});

describe('the schema of the queues', () => {
  it('is that of the installed pg-boss, and the system role can do all that keeps it in order', async () => {
    const boss = makeBoss(clone.urls.system, true, true);
    const errors: unknown[] = [];
    boss.on('error', (error) => errors.push(error));
    boss.on('warning', (warning) => errors.push(warning));
    await boss.start();
    await boss.createQueue('kept');
    await run(clone.adminUrl, 'UPDATE pgboss.queue SET maintain_on = NULL, monitor_on = NULL');
    await boss.supervise();
    expect(errors).toEqual([]);
    const [kept] = await run(clone.adminUrl, `SELECT * FROM pgboss.queue WHERE name = 'kept'`);
    expect(kept?.['maintain_on']).not.toBeNull();
    await boss.stop();
  });

  it.each([
    ['read what a job carries', 'SELECT data FROM pgboss.job_common'],
    ['read it by the other table', 'SELECT data FROM pgboss.job'],
    ['change a job', `UPDATE pgboss.job_common SET state = 'cancelled'`],
    ['remove a job', 'DELETE FROM pgboss.job_common'],
    ['change a queue', 'UPDATE pgboss.queue SET retry_limit = 0'],
    ['make a queue', `SELECT pgboss.create_queue('mine', '{}')`],
    ['plan a job', `INSERT INTO pgboss.schedule (name, cron) VALUES ('mail', '* * * * *')`],
    ['make a table', 'CREATE TABLE pgboss.mine (id int)'],
  ])('lets nobody %s who serves requests', async (_what, sql) => {
    const state = await asRole(clone.urls.app, (query) => stateOf(query, () => query(sql)));
    expect(state).toBe('42501');
  });

  it.each([
    ['drop a queue', `SELECT pgboss.delete_queue('kept')`],
    ['make a table', 'CREATE TABLE pgboss.mine (id int)'],
    [
      'make a queue with a table of its own',
      `SELECT pgboss.create_queue('own', '{"partition": true, "policy": "standard"}')`,
    ],
    ['change the jobs’ table', 'ALTER TABLE pgboss.job_common ADD COLUMN mine int'],
  ])('lets the system not %s', async (_what, sql) => {
    const state = await asRole(clone.urls.system, (query) => stateOf(query, () => query(sql)));
    expect(state).toBe('42501');
  });
});
