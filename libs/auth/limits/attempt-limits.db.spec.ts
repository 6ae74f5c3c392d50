import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '#database';
import { Clock, Fault, newId, type RequestFacts } from '#kernel';
import { MasterKey } from '#secrets';
import { cloneDatabase, run, type TestDatabase } from '../../../test/kit/database.ts';
import { AuthFault } from '../auth.faults.ts';
import { type Attempt, AttemptLimits, type PasswordAttempt } from './attempt-limits.ts';
import { announceOnce } from './attempt.store.ts';
import { defaultPolicy } from '../policy/org-policy.ts';

class HeldClock extends Clock {
  ms = 0;

  override now(): Date {
    return new Date();
  }

  override monotonic(): number {
    return this.ms;
  }
}

const CONNECTIONS = 8;
const masterKey = new MasterKey(randomBytes(32));
const limits = { ...defaultPolicy.limits, perDevice: 10, perAccount: 25, perFactor: 5, perOrganization: 40 };
const platform = defaultPolicy.limits;
const clock = new HeldClock();
let testDatabase: TestDatabase;
/** Three replicas: each with connections and a memory of its own. */
let databases: Database[];
let replicas: AttemptLimits[];

beforeAll(async () => {
  testDatabase = await cloneDatabase();
  databases = [1, 2, 3].map(
    () =>
      new Database({ urls: testDatabase.urls, poolSize: CONNECTIONS }, { settled: async () => undefined }),
  );
  for (const database of databases) await database.connect();
});
afterAll(async () => {
  for (const database of databases) await database.onApplicationShutdown();
  await testDatabase.drop();
});
beforeEach(async () => {
  await sql('TRUNCATE portcullis.attempt_counters');
  replicas = databases.map((database) => new AttemptLimits(database, clock, masterKey));
});

const sql = (text: string, values?: unknown[]) => run(testDatabase.adminUrl, text, values);
const endWindows = () =>
  sql(`UPDATE portcullis.attempt_counters SET window_ends = clock_timestamp() - interval '1 second'`);
const guess = (more: Partial<PasswordAttempt> = {}): PasswordAttempt => ({
  email: 'ada@acme.example',
  ip: '192.0.2.1',
  limits,
  platform,
  ...more,
});
const count = (more?: Partial<PasswordAttempt>, replica = 0): Promise<Attempt> =>
  replicas[replica]!.countPassword(guess(more));
/**
 * So many, as many of them at once as there are connections: more would only wait for one, and on a busy machine be
 * refused for it.
 */
async function crowd<T>(times: number, work: (n: number) => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  while (all.length < times) {
    const length = Math.min(CONNECTIONS * replicas.length, times - all.length);
    all.push(...(await Promise.all(Array.from({ length }, (_, n) => work(n)))));
  }
  return all;
}
/** Spread over the replicas; those that may be verified. */
async function admitted(times: number, more?: Partial<PasswordAttempt>): Promise<Attempt[]> {
  return (await crowd(times, (n) => count(more, n % 3))).filter((attempt) => attempt.admitted);
}
/** The code of the fault that something is refused with. */
const refusal = (work: Promise<unknown>): Promise<Fault> =>
  work.then(
    () => {
      throw new Error('it was not refused');
    },
    (error: unknown) => error as Fault,
  );

describe('guesses of a password', () => {
  it('T1: 200 at once over three replicas get no more verifications than the limit', async () => {
    expect(await admitted(200)).toHaveLength(limits.perDevice);
  });

  it('from one source use up nothing that another source or a known device has', async () => {
    await admitted(200);
    expect((await count({ ip: '198.51.100.7' })).admitted).toBe(true);
    expect((await count({ deviceId: newId() })).admitted).toBe(true);
    expect((await count({ email: 'gus@acme.example' })).admitted).toBe(true);
  });

  it('from many sources reach the limit of the account, and still not that of a known device', async () => {
    let verified = 0;
    for (let n = 0; n < 6; n += 1) verified += (await admitted(8, { ip: `192.0.2.${n}` })).length;
    expect(verified).toBe(limits.perAccount);
    expect((await count({ ip: '198.51.100.7' })).admitted).toBe(false);
    expect((await count({ deviceId: newId() })).admitted).toBe(true);
  });

  it('that the account refuses use up nothing of the source’s points for that account', async () => {
    for (let n = 0; n < 4; n += 1) await admitted(8, { ip: `192.0.2.${n}` });
    await admitted(10, { ip: '198.51.100.7' });
    const [row] = await sql(
      `SELECT sum(attempts)::int AS pairs FROM portcullis.attempt_counters WHERE pool LIKE 'pair:%'`,
    );
    expect(row?.['pairs']).toBe(limits.perAccount);
  });

  it('of many accounts reach the limit of the organization, which known devices do not count for', async () => {
    const org = { id: newId(), limits };
    let verified = 0;
    for (let n = 0; n < 50; n += 1) {
      const attempt = await count({ email: `person-${n}@acme.example`, ip: `192.0.2.${n}`, org });
      if (attempt.admitted) verified += 1;
    }
    expect(verified).toBe(limits.perOrganization);
    expect((await count({ deviceId: newId(), org })).admitted).toBe(true);
  });

  it('have all their points again when the window is over', async () => {
    await admitted(30);
    expect((await count()).admitted).toBe(false);
    await endWindows();
    expect(await admitted(30)).toHaveLength(limits.perDevice);
  });

  it('do not put the end of the window off', async () => {
    const ends = async () =>
      (await sql(`SELECT max(window_ends) AS at FROM portcullis.attempt_counters`))[0]?.['at'];
    await admitted(12);
    const before = await ends();
    await admitted(50);
    expect(await ends()).toEqual(before);
  });

  it('leave neither address nor network in the table', async () => {
    await count();
    const pools = (await sql('SELECT pool FROM portcullis.attempt_counters')).map((row) =>
      String(row['pool']),
    );
    expect(pools.map((pool) => pool.slice(0, pool.indexOf(':'))).sort()).toEqual([
      'account',
      'organization',
      'pair',
      'source',
    ]);
    for (const pool of pools) expect(pool).not.toMatch(/ada|192\.0/);
  });
});

describe('a success', () => {
  it('T2: among failures gives back its own point and no other: a limit that was reached stays reached', async () => {
    const verified = await admitted(200);
    // Nine of the ten were wrong; one was right and ends last of all.
    await verified[4]!.giveBack();
    await verified[4]!.giveBack();
    expect(await admitted(50), 'the point of the right one is there again').toHaveLength(1);
  });

  it('T2: can be repeated without end, and failures beside it are all kept', async () => {
    for (let n = 0; n < 9; n += 1) await count();
    for (let n = 0; n < 30; n += 1) {
      const right = await count();
      expect(right.admitted).toBe(true);
      await right.giveBack();
    }
    expect((await count()).admitted).toBe(true);
    expect((await count()).admitted).toBe(false);
  });

  it('gives nothing to a window that began after it', async () => {
    const right = await count();
    await endWindows();
    await count();
    await right.giveBack();
    const rows = await sql(`SELECT attempts FROM portcullis.attempt_counters`);
    expect(rows.map((row) => row['attempts'])).toEqual([1, 1, 1, 1]);
  });
});

describe('the last point of an account', () => {
  it('is announced once a window, by one replica', async () => {
    const verified = await admitted(200);
    const last = verified.map((attempt) => attempt.lastOfAccount).filter((point) => point !== undefined);
    expect(last).toHaveLength(1);
    const announced = await Promise.all(
      databases.map((database) => database.acrossOrgs('count_attempts', (tx) => announceOnce(tx, last[0]!))),
    );
    expect(announced.filter(Boolean)).toHaveLength(1);
  });
});

describe('requests of a source', () => {
  const facts = (ip: string) => ({ ip }) as RequestFacts;

  it('beyond its limit are 429 with the time to wait, on every replica, for all accounts', async () => {
    await crowd(platform.perSource, (n) => replicas[n % 3]!.countSource('192.0.2.9'));
    for (const [n] of replicas.entries()) {
      const fault = await refusal(count({ ip: '192.0.2.9', email: `person-${n}@acme.example` }, n));
      expect(fault).toMatchObject({
        code: AuthFault.too_many_requests.code,
        quota: { name: 'source', limit: platform.perSource, windowSeconds: platform.windowSeconds },
      });
      expect(fault.retryAfter).toBeGreaterThan(platform.windowSeconds - 60);
    }
    expect((await count({ ip: '192.0.2.10' })).admitted).toBe(true);
  });

  it('count by the /64 of IPv6, and without an address as one source', async () => {
    const exhaust = (ip: string | undefined) =>
      crowd(platform.perSource, (n) => replicas[n % 3]!.countSource(ip));
    await exhaust('2001:db8:1:2::1');
    expect((await refusal(count({ ip: '2001:db8:1:2:ffff::9' }))).kind).toBe('limited');
    expect((await count({ ip: '2001:db8:1:3::1' })).admitted).toBe(true);
    await exhaust(undefined);
    expect((await refusal(count({ ip: 'not an address' }))).kind).toBe('limited');
  });

  it('beyond its limit cost the database one count a second', async () => {
    await crowd(platform.perSource, (n) => replicas[n % 3]!.countSource('192.0.2.9'));
    await refusal(count({ ip: '192.0.2.9' }));
    await sql('TRUNCATE portcullis.attempt_counters');
    await refusal(count({ ip: '192.0.2.9' }));
    await refusal(replicas[0]!.countRefusals(facts('192.0.2.9'), async () => 'not asked'));
    clock.ms += 1_001;
    expect((await count({ ip: '192.0.2.9' })).admitted).toBe(true);
  });

  it('with a token that is right do not count; those refused do', async () => {
    const unknown = () =>
      replicas[0]!.countRefusals(facts('192.0.2.9'), async () => {
        throw AuthFault.invalid_refresh_token();
      });
    for (let n = 0; n < 310; n += 1) await replicas[0]!.countRefusals(facts('192.0.2.9'), async () => n);
    for (let n = 0; n < 300; n += 1) expect((await refusal(unknown())).kind).toBe('unauthenticated');
    expect((await refusal(unknown())).code).toBe(AuthFault.too_many_requests.code);
  });
});

describe('guesses of a second factor', () => {
  const userId = '01900000-0000-7000-8000-000000000001';
  const guesses = async (times: number, kind: 'totp' | 'recovery', more: object = {}) => {
    const all = await crowd(times, (n) => replicas[n % 3]!.countFactor(kind, { userId, limits, ...more }));
    return all.filter((attempt) => attempt.admitted);
  };

  it('T4: share one limit, however many challenges are open at once', async () => {
    const all = await crowd(60, (n) => replicas[n % 3]!.countFactor('totp', { userId, limits }));
    expect(all.filter((attempt) => attempt.admitted)).toHaveLength(limits.perFactor);
  });

  it('beyond the limit say so, with the time to wait', async () => {
    await guesses(10, 'totp');
    const attempt = await replicas[1]!.countFactor('totp', { userId, limits });
    expect(attempt.admitted).toBe(false);
    expect(replicas[1]!.tooMany(attempt)).toMatchObject({
      code: 'auth.too_many_requests',
      quota: { name: 'totp', limit: limits.perFactor },
    });
  });

  it('of one factor use up nothing of another', async () => {
    expect(await guesses(50, 'totp')).toHaveLength(limits.perFactor);
    expect(await guesses(50, 'recovery')).toHaveLength(limits.perFactor);
  });

  it('by a stranger who knows the password use up nothing of a known device', async () => {
    await guesses(50, 'totp');
    expect(await guesses(1, 'totp', { deviceId: newId() })).toHaveLength(1);
  });
});
