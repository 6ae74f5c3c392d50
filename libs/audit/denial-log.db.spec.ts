import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Database } from '#database';
import { type Caller, Clock, faults, newId, type RequestFacts } from '#kernel';
import { cloneDatabase, run, type TestDatabase } from '../../test/kit/database.ts';
import { until } from '../../test/kit/until.ts';
import { DenialLog } from './denial-log.ts';
import { OutcomeCounts } from './outcome-counts.ts';
import { auditBy } from '../../test/kit/audit.ts';

const SpecFault = faults('spec', {
  refused: ['unauthenticated', 'No.'],
  denied: ['forbidden', 'No.'],
});

class HeldClock extends Clock {
  ms = 0;

  override now(): Date {
    return new Date();
  }

  override monotonic(): number {
    return this.ms;
  }
}

interface Leaf {
  org: string;
  action: string;
  actor: { type: string; id: string; onBehalfOf?: string };
  target: { type: string; id: string };
  outcome: string;
  reason: string;
  changes?: { count?: { to: number }; action?: { to: string }; permission?: { to: string } };
}

let testDatabase: TestDatabase;
let database: Database;
let clock: HeldClock;
let log: DenialLog;
const platform = newId();
let tenant = '';

beforeAll(async () => {
  testDatabase = await cloneDatabase();
  database = new Database({ urls: testDatabase.urls, poolSize: 10 }, { settled: async () => undefined });
  await database.connect();
  await run(
    testDatabase.urls.owner,
    `INSERT INTO organizations (id, slug, name, kind) VALUES ($1, 'platform', 'Platform', 'platform')`,
    [platform],
  );
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await testDatabase.drop();
});
beforeEach(() => {
  // A log of its own for each test; an audit record needs no organization to exist.
  tenant = newId();
  clock = new HeldClock();
  log = new DenialLog(database, auditBy(clock), clock, new OutcomeCounts());
});
afterEach(() => log.onModuleDestroy());

const facts = (more: Partial<RequestFacts> = {}): RequestFacts => ({
  id: newId(),
  method: 'GET',
  route: '/api/v1/spec',
  ip: '192.0.2.1',
  userAgent: 'spec/1',
  ...more,
});

const caller = (id = newId()): Caller => ({
  kind: 'user',
  id,
  userId: id,
  org: { id: tenant, slug: 't', name: 'T', kind: 'tenant', status: 'active', createdAt: '' },
  permissions: new Set(),
  assured: true,
  request: facts(),
});

async function recorded(orgId = tenant): Promise<Leaf[]> {
  const rows = await run(
    testDatabase.adminUrl,
    `SELECT e.leaf FROM portcullis.audit_positions p JOIN portcullis.audit_events e ON e.id = p.event_id
      WHERE p.org_id = $1 ORDER BY p.pos`,
    [orgId],
  );
  return rows.map((row) => JSON.parse(String(row['leaf'])) as Leaf);
}

/** How many refusals a record stands for. */
const stands = ({ action, changes }: Leaf): number =>
  action === 'access.denied_repeatedly' ? (changes?.count?.to ?? NaN) : 1;
const sum = (leaves: Leaf[]): number => leaves.reduce((total, leaf) => total + stands(leaf), 0);

const refused = (more: Partial<RequestFacts> = {}, orgId = tenant): Promise<void> =>
  log.record({ fault: SpecFault.refused({ audit: { orgId } }), request: facts(more) });

describe('the log of refusals', () => {
  it('has the record, committed, when it says so', async () => {
    await log.record({
      fault: SpecFault.denied({ data: { permission: 'org:read' } }),
      request: facts(),
      caller: caller('somebody'),
    });
    // Another connection sees it at once, so it is not a promise of later.
    expect(await recorded()).toMatchObject([
      {
        action: 'access.denied',
        actor: { type: 'user', id: 'somebody' },
        target: { type: 'route', id: 'GET /api/v1/spec' },
        outcome: 'denied',
        reason: 'spec.denied',
        changes: { permission: { to: 'org:read' } },
      },
    ]);
  });

  it('does not say so where the record cannot be written, and writes the next one', async () => {
    const broken = vi.spyOn(database, 'acrossOrgs').mockRejectedValue(new Error('no database'));
    for (let n = 0; n < 20; n += 1) {
      // More than are recorded one by one: none of them may pass for recorded.
      await expect(refused()).rejects.toThrow('no database');
    }
    broken.mockRestore();
    await refused();
    expect(await recorded()).toHaveLength(1);
  });

  it('is that of the platform where no organization is known', async () => {
    const before = (await recorded(platform)).length;
    await log.record({ fault: SpecFault.refused(), request: facts({ ip: '198.51.100.4' }) });
    const [last, ...more] = (await recorded(platform)).slice(before);
    expect(more).toEqual([]);
    expect(last).toMatchObject({ org: platform, actor: { type: 'anonymous', id: 'anonymous' } });
  });

  it('names the person where a fault knows who was refused', async () => {
    const audit = {
      orgId: tenant,
      actorId: 'u-1',
      reason: 'wrong_password',
      action: 'auth.sign_in_refused',
      target: { type: 'user', id: 'u-1' },
    };
    await log.record({ fault: SpecFault.refused({ audit }), request: facts() });
    expect(await recorded()).toMatchObject([
      { action: 'auth.sign_in_refused', actor: { type: 'user', id: 'u-1' }, reason: 'wrong_password' },
    ]);
  });

  it('takes 10,000 refusals from one address as a dozen records that account for all of them', async () => {
    for (let n = 0; n < 10_000; n += 500) {
      await Promise.all(Array.from({ length: 500 }, () => refused({ ip: '203.0.113.9' })));
    }
    expect(await recorded()).toHaveLength(10);
    await log.onModuleDestroy();
    const leaves = await recorded();
    expect(leaves.length).toBeLessThanOrEqual(12);
    expect(sum(leaves)).toBe(10_000);
    expect(leaves.at(-1)).toMatchObject({
      action: 'access.denied_repeatedly',
      outcome: 'denied',
      reason: 'spec.refused',
      changes: { action: { to: 'access.denied' } },
    });
  });

  it('takes the addresses of one IPv6 network for one source', async () => {
    for (let n = 0; n < 40; n += 1) await refused({ ip: `2001:db8:1:2:${n.toString(16)}::1` });
    await refused({ ip: '2001:db8:1:3::1' });
    expect(await recorded()).toHaveLength(11);
    // The same network, whether its zeros are written or not.
    for (let n = 1; n < 30; n += 1) await refused({ ip: `2001:db8::${n.toString(16)}` });
    await refused({ ip: '2001:db8:0:0:1::a' });
    expect(await recorded()).toHaveLength(21);
    await log.onModuleDestroy();
    expect(sum(await recorded())).toBe(71);
  });

  it('tells the first of many addresses apart, and counts those beyond without blaming one for all', async () => {
    const addresses = Array.from({ length: 7_000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`);
    // Each is a transaction, and whoever waits two seconds for a connection is refused one.
    for (let n = 0; n < addresses.length; n += 50) {
      await Promise.all(addresses.slice(n, n + 50).map((ip) => refused({ ip })));
    }
    await log.onModuleDestroy();
    const leaves = await recorded();
    // 5,000 kinds, ten for all the others together, one count.
    expect(leaves).toHaveLength(5_011);
    expect(sum(leaves)).toBe(7_000);
    expect(leaves.at(-1)).toMatchObject({
      action: 'access.denied_repeatedly',
      actor: { type: 'anonymous', id: 'various' },
      reason: 'various',
      changes: { count: { to: 1_990 } },
    });
  });

  it('records what it counted when the minute is over', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      log.onModuleInit();
      for (let n = 0; n < 30; n += 1) await refused();
      await vi.advanceTimersByTimeAsync(5_000);
      expect(await recorded()).toHaveLength(10);
      clock.ms = 60_000;
      await vi.advanceTimersByTimeAsync(5_000);
      await until(async () => sum(await recorded()) === 30);
    } finally {
      vi.useRealTimers();
    }
  });

  it('keeps what it counted while the database is away', async () => {
    for (let n = 0; n < 30; n += 1) await refused();
    for (let n = 0; n < 30; n += 1) await refused({ ip: '192.0.2.2' });
    const broken = vi.spyOn(database, 'acrossOrgs').mockRejectedValue(new Error('no database'));
    await log.onModuleDestroy();
    broken.mockRestore();
    expect(sum(await recorded())).toBe(20);
    await log.onModuleDestroy();
    expect(sum(await recorded())).toBe(60);
  });

  it('counts nothing any more once it has stopped: every refusal after that is written', async () => {
    for (let n = 0; n < 15; n += 1) await refused();
    await log.onModuleDestroy();
    for (let n = 0; n < 15; n += 1) await refused();
    const leaves = await recorded();
    expect(leaves.filter(({ action }) => action === 'access.denied')).toHaveLength(25);
    expect(sum(leaves)).toBe(30);
  });
});
