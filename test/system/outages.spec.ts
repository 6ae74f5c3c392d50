import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type EmbeddedServer, startEmbeddedServer } from '#database';
import { disposeAll, type Product, refusedStart, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { emptyDatabase, type TestDatabase } from '../kit/database.ts';
import { ask, Load, type Sample, type Use } from '../kit/load.ts';
import { runningProcesses, treeOf } from '../kit/processes.ts';
import { StallingProxy } from '../kit/stalling-proxy.ts';
import { beside } from '../kit/stopwatch.ts';
import { until } from '../kit/until.ts';
import { addMember, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

/** What surrounds the product fails: it refuses to start with one clear line, or answers 503 soon and recovers. */
const PASSWORD = 'a-very-secret-password';

function newDirectory(name: string): string {
  const made = mkdtempSync(join(inject('runDirectory'), `${name}-`));
  chmodSync(made, 0o711);
  return made;
}

const me = ({ accessToken }: SignedIn): Use => ({ name: 'me', token: accessToken, path: '/auth/me' });
const slowest = (samples: Sample[]) => Math.max(...samples.map((one) => one.answeredAt - one.sentAt));

describe('a start that is refused', () => {
  let database: Omit<TestDatabase, 'urls'>;
  beforeAll(async () => {
    database = await emptyDatabase();
  });
  afterAll(() => database.drop());

  /** Starts with these variables; answers what was printed, which never holds a secret or a stack. */
  async function refusal(env: Record<string, string>): Promise<string> {
    const { code, output } = await refusedStart({ PORTCULLIS_DATA_DIR: newDirectory('refused'), ...env });
    expect(code, output).toBe(1);
    for (const value of [PASSWORD, new URL(database.adminUrl).password]) expect(output).not.toContain(value);
    expect(output).not.toMatch(/^\s+at /m);
    return output;
  }
  const changed = (change: (url: URL) => void) => {
    const url = new URL(database.adminUrl);
    change(url);
    return url.href;
  };

  it.each([
    ['no server at the port', async () => changed((url) => (url.port = '1')), /no server takes connections/],
    ['a wrong password', async () => changed((url) => (url.password = PASSWORD)), /user and password/],
    [
      'an unknown host',
      async () => changed((url) => (url.hostname = 'db.invalid')),
      /host name is not known/,
    ],
    [
      'an unknown database',
      async () => changed((url) => (url.pathname = '/nowhere')),
      /no database of this name/,
    ],
    [
      'another protocol',
      async () => `mysql://root:${PASSWORD}@127.0.0.1/x`,
      /must be a URL that begins with/,
    ],
  ])('says in one line what is wrong with DATABASE_URL: %s', async (_what, urlOf, reason) => {
    const output = await refusal({ DATABASE_URL: await urlOf() });
    const lines = output.split('\n').filter((line) => line.includes('DATABASE_URL'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(reason);
  });

  it('gives up on a server that accepts connections and says nothing', async () => {
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const output = await refusal({ DATABASE_URL: changed((url) => (url.port = String(port))) });
    expect(output).toMatch(/DATABASE_URL: cannot connect/);
    server.close();
  });

  it('names every variable at fault and its rule, and shows no value', async () => {
    const output = await refusal({
      PORT: PASSWORD,
      PORTCULLIS_ROLE: PASSWORD,
      PORTCULLIS_DATABASE_POOL_SIZE: '0',
      PORTCULLIS_NO_SUCH_SETTING: PASSWORD,
      PORTCULLIS_PUBLIC_URL: PASSWORD,
    });
    for (const line of [
      /PORT must be a whole number/,
      /PORTCULLIS_ROLE must be one of all, api, worker/,
      /PORTCULLIS_DATABASE_POOL_SIZE must be a whole number from 1/,
      /PORTCULLIS_NO_SUCH_SETTING is not a setting/,
      /PORTCULLIS_PUBLIC_URL must be a URL/,
    ]) {
      expect(output).toMatch(line);
    }
  });

  it('says what is wrong with the master key file', async () => {
    const file = join(newDirectory('key'), 'master.key');
    const start = () => refusal({ DATABASE_URL: database.adminUrl, PORTCULLIS_MASTER_KEY_FILE: file });
    expect(await start()).toMatch(/^the master key file .* does not exist$/m);
    writeFileSync(file, `${PASSWORD}\n`, { mode: 0o600 });
    expect(await start()).toMatch(/^the master key file .* must hold 32 bytes/m);
    writeFileSync(file, `${randomBytes(32).toString('base64url')}\n`);
    chmodSync(file, 0o644);
    expect(await start()).toMatch(/master\.key must have mode 0600 or 0640/);
  });

  it('refuses a master key that is not this database’s, and changes nothing', async () => {
    const first = await startProduct({ databaseUrl: database.adminUrl });
    await first.stop();
    const key = readFileSync(join(first.dataDir, 'master.key'), 'utf8');
    const other = join(newDirectory('other-key'), 'master.key');
    writeFileSync(other, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
    const named = { DATABASE_URL: database.adminUrl, PORTCULLIS_MASTER_KEY_FILE: other };
    expect(await refusal(named)).toMatch(/the master key is not the one/);
    expect(await refusal({ DATABASE_URL: database.adminUrl })).toMatch(/master\.key does not exist/);
    expect(readFileSync(join(first.dataDir, 'master.key'), 'utf8')).toBe(key);
    await disposeAll([first, await startProduct({ databaseUrl: database.adminUrl, dataDir: first.dataDir })]);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'names a data directory that the database’s user cannot reach',
    async () => {
      const closed = newDirectory('closed');
      chmodSync(closed, 0o700);
      const output = await refusal({ PORTCULLIS_DATA_DIR: join(closed, 'data') });
      expect(output).toContain(closed);
      expect(output).toMatch(/chmod|PORTCULLIS_DATA_DIR/);
    },
  );

  it('names a data directory that is no directory', async () => {
    const file = join(newDirectory('file'), 'data');
    writeFileSync(file, '');
    expect(await refusal({ PORTCULLIS_DATA_DIR: file })).toContain(file);
  });
});

describe('a database that goes away and comes back', () => {
  let server: EmbeddedServer;
  let proxy: StallingProxy;
  let product: Product;
  let admin: SignedIn;
  const dataDir = () => join(directory, 'server');
  let directory: string;

  beforeAll(async () => {
    directory = newDirectory('outage');
    mkdirSync(dataDir(), { mode: 0o711 });
    server = await start();
    proxy = await StallingProxy.before(server.adminUrl);
    product = await startProduct({
      databaseUrl: proxy.url,
      env: { PORTCULLIS_DATABASE_POOL_SIZE: '1' },
    });
    admin = await signIn(product, await setUp(product));
  });
  afterAll(async () => {
    await disposeAll([product]);
    await proxy?.close();
    await server?.stop();
  });

  const start = () =>
    startEmbeddedServer({ dataDir: dataDir(), log: () => undefined, settings: { fsync: 'off' } });
  const postmaster = () =>
    Number(readFileSync(join(dataDir(), 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
  const signal = (name: NodeJS.Signals) => {
    for (const { pid } of treeOf(postmaster(), runningProcesses())) process.kill(pid, name);
  };
  const members = (): Use => ({
    name: 'members',
    token: admin.accessToken,
    path: `/orgs/${admin.organization.id}/members`,
  });

  /** Under load: the database is there, goes, stays away, comes back. */
  async function survives(
    goes: () => Promise<void> | void,
    comes: () => Promise<void> | void,
  ): Promise<void> {
    const load = new Load([product], 10);
    for (const use of [me(admin), members()])
      for (const n of [1, 2]) load.add({ ...use, name: use.name + n });
    const all = () => [...load.samples.values()].flat();
    const askedSince = (time: number) => load.of('members1').filter((one) => one.sentAt > time);
    try {
      await load.seen(['me1', 'members1'], 10);
      const goneAt = performance.now();
      await goes();
      const { machine } = await beside(
        async () => expectAnswer(await product.api.get('/health'), 200),
        async () => {
          await sleep(11_000);
          await until(async () => askedSince(goneAt + 1_000).length > 1);
        },
      );
      const backAt = performance.now();
      await comes();
      await expect.poll(() => load.of('members1').at(-1)?.status).toBe(200);
      await load.seen(['me1', 'members1'], 5, performance.now());
      await load.stop();
      const samples = all();
      expect(new Set(samples.map(({ status }) => status))).toEqual(new Set([200, 503]));
      const refused = samples.filter(({ status }) => status === 503);
      expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['database.unavailable']));
      const away = askedSince(goneAt + 1_000).filter((one) => one.answeredAt < backAt);
      expect(away.filter(({ status }) => status !== 503)).toEqual([]);
      console.log(
        `${samples.length} answers, ${refused.length} of them 503, after at most ${slowest(samples).toFixed(0)} ms`,
      );
      expect(slowest(samples) - machine).toBeLessThan(6_500);
    } finally {
      await load.stop();
    }
    expectAnswer(await product.api.get('/health/ready'), 200);
  }

  it('killed and started again', async () => {
    await survives(
      async () => {
        process.kill(postmaster(), 'SIGKILL');
        await server.stop();
      },
      async () => {
        server = await start();
        proxy.lead(server.adminUrl);
      },
    );
  });

  it('standing still, with its connections open', async () => {
    await survives(
      () => signal('SIGSTOP'),
      () => signal('SIGCONT'),
    );
  });

  it('behind a network that falls silent', async () => {
    await survives(
      () => proxy.stall(),
      () => proxy.resume(),
    );
  });

  it('on new connections only, for the old ones are silent for ever: none of them stays in the pool', async () => {
    const { token, path } = members();
    proxy.forget();
    const status = async () => (await product.api.get(path, { token })).status;
    await expect.poll(status).toBe(200);
    expect(await Promise.all([status(), status(), status()])).toEqual([200, 200, 200]);
  });

  it('busy, with a lock that somebody holds on all it needs', async () => {
    const busy = new pg.Client({ connectionString: server.adminUrl });
    await busy.connect();
    const agent = new Agent({ keepAlive: true });
    try {
      await busy.query('BEGIN; LOCK TABLE portcullis.memberships IN ACCESS EXCLUSIVE MODE');
      const { value: answers, machine } = await beside(
        async () => expectAnswer(await product.api.get('/health'), 200),
        () => Promise.all(Array.from({ length: 12 }, () => ask(product, 0, members(), agent))),
      );
      expect(answers.map(({ status, code }) => `${status} ${code}`)).toEqual(
        answers.map(() => '503 database.unavailable'),
      );
      console.log(`a full pool answers 503 after at most ${slowest(answers).toFixed(0)} ms`);
      expect(slowest(answers) - machine).toBeLessThan(6_500);
      expectAnswer(await product.api.get('/health'), 200);
    } finally {
      await busy.query('ROLLBACK');
      await busy.end();
      agent.destroy();
    }
    const { token, path } = members();
    await expect.poll(async () => (await product.api.get(path, { token })).status).toBe(200);
  });
});

describe('a process that ends', () => {
  it('by kill -9, goes on where it was: sessions live, what was revoked stays revoked', async () => {
    const first = await startProduct();
    const all = [first];
    try {
      const admin = await signIn(first, await setUp(first));
      const account = await addMember(first, admin, 'member');
      const [kept, revoked] = [await signIn(first, account), await signIn(first, account)];
      const path = `/orgs/${admin.organization.id}/sessions/${revoked.session.id}`;
      expectAnswer(await first.api.delete(path, { token: admin.accessToken }), 204);
      const database = first.processes().find(({ command }) => command.includes('postgres'));
      await first.kill9();
      const second = await startProduct({ dataDir: first.dataDir });
      all.push(second);
      const running = second.processes().map(({ pid }) => pid);
      expect(running, 'the database that was left is used again').toContain(database?.pid);
      expectAnswer(await second.api.get('/auth/me', { token: kept.accessToken }), 200);
      expectAnswer(await second.api.get('/auth/me', { token: revoked.accessToken }), 401);
      const refresh = ({ refreshToken }: SignedIn) => second.api.post('/auth/refresh', { refreshToken });
      expectAnswer(await refresh(kept), 200);
      expectAnswer(await refresh(revoked), 401);
      await second.stop();
    } finally {
      await disposeAll(all);
    }
  });

  it('by SIGTERM under load, ends with code 0 within 10 s and answers no 5xx but 503', async () => {
    const product = await startProduct();
    try {
      const admin = await signIn(product, await setUp(product));
      const load = new Load([product], 1);
      for (let n = 0; n < 4; n += 1) load.add({ ...me(admin), name: `me ${n}` });
      load.add({ ...me(admin), name: 'members', path: `/orgs/${admin.organization.id}/members` });
      await load.seen(['me 0', 'members'], 50);
      const began = performance.now();
      await product.stop();
      console.log(`stopped under load in ${(performance.now() - began).toFixed(0)} ms`);
      await load.stop();
      const samples = [...load.samples.values()].flat();
      expect(samples.filter(({ status }) => status === 200).length).toBeGreaterThan(100);
      // 0: nobody listens any more.
      expect(samples.filter(({ status }) => ![200, 503, 0].includes(status))).toEqual([]);
    } finally {
      await disposeAll([product]);
    }
  });
});
