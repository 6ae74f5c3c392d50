import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { until } from '../kit/until.ts';
import { beside } from '../kit/stopwatch.ts';
import { ask, Load, type Sample, type Use } from '../kit/load.ts';
import {
  adminUrl,
  admin,
  cheapest,
  closeCluster,
  holds,
  latencies,
  meOf,
  newMember,
  openCluster,
  proxy,
  replicas,
  revokeSession,
  token,
} from './revocation-cluster.ts';

/** Three processes on one database under load: see revocation-cluster.ts. */
describe('a revocation holds when it answers, with a replica in trouble', () => {
  beforeAll(openCluster);
  afterAll(closeCluster);

  it('while a replica stands still, which then refuses even what waited in its sockets', async () => {
    const [victim, other] = [await newMember(), await newMember()];
    const again = [await newMember(), await newMember(), await newMember(), await newMember()];
    const stopped = replicas[1]!;
    const agent = new Agent({ keepAlive: true });
    const askStopped = (use: Use) => ask(stopped, 1, use, agent);
    // On connections that are open already, and with the session in the cache.
    const warm = await Promise.all(Array.from({ length: 8 }, () => askStopped(meOf('victim', victim))));
    expect(warm.map(({ status }) => status)).toEqual(warm.map(() => 200));
    let late: Promise<Sample>[];
    let unaffected: Promise<Sample>;
    process.kill(stopped.pid, 'SIGSTOP');
    try {
      const first = await beside(cheapest, () => revokeSession(victim));
      latencies.push(['session revoked while a replica stands still', first.ms]);
      expect(first.ms - first.machine).toBeLessThan(1_500);
      late = Array.from({ length: 16 }, () => askStopped(meOf('victim', victim)));
      unaffected = askStopped(meOf('other', other));
      await sleep(100);
      expectAnswer(await replicas[0]!.api.get('/auth/me', { token: victim.accessToken }), 401);
      // Once its lease is gone, nobody waits for it any more.
      await sleep(2_000);
      const took: number[] = [];
      for (const one of again) {
        const began = performance.now();
        await revokeSession(one);
        took.push(performance.now() - began);
      }
      expect(Math.min(...took)).toBeLessThan(800);
    } finally {
      process.kill(stopped.pid, 'SIGCONT');
    }
    expect((await Promise.all(late)).map(({ status }) => status)).toEqual(late.map(() => 401));
    expect((await unaffected).status).toBe(200);
    agent.destroy();
  });

  it('T16: while the notification connections are cut again and again', async () => {
    const victim = await newMember();
    let cut = 0;
    const cutting = new AbortController();
    const cutter = (async () => {
      while (!cutting.signal.aborted) {
        const gone = await run(
          adminUrl,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portcullis invalidations'`,
        );
        cut += gone.length;
        await sleep(30);
      }
    })();
    try {
      await until(async () => cut > 10);
      const before = cut;
      await holds('session revoked while notification connections are cut', {
        victims: [meOf('the member', victim)],
        sessions: [victim],
        refused: { status: 401 },
        revoke: () => revokeSession(victim),
      });
      expect(cut, 'they were cut meanwhile').toBeGreaterThan(before);
    } finally {
      cutting.abort();
      await cutter;
    }
  });

  it('T16: while a notification connection is silent; that replica then asks the database every time', async () => {
    const [victim, other] = [await newMember(), await newMember()];
    const silent = replicas[2]!;
    const agent = new Agent({ keepAlive: true });
    /** How many messages to the database 30 requests cost, beside what goes on anyway. */
    async function costOf30(): Promise<number> {
      const before = proxy.sent.get('portcullis system') ?? 0;
      for (let n = 0; n < 30; n += 1) {
        expect((await ask(silent, 2, meOf('other', other), agent)).status).toBe(200);
      }
      return (proxy.sent.get('portcullis system') ?? 0) - before;
    }
    await answersFromItsCache();
    proxy.stall((name) => name === 'portcullis invalidations');
    try {
      await holds('session revoked while a notification connection is silent', {
        victims: [meOf('the member', victim)],
        sessions: [victim],
        refused: { status: 401 },
        revoke: () => revokeSession(victim),
      });
      expect(await costOf30(), 'without one it asks').toBeGreaterThanOrEqual(60);
      const ready = expectAnswer(await silent.api.get('/health/ready'), 200);
      expect(ready.components).toContainEqual({ name: 'invalidations', state: 'degraded' });
    } finally {
      proxy.resume();
    }
    await answersFromItsCache();
    agent.destroy();

    async function answersFromItsCache(): Promise<void> {
      // On a busy machine a lease may lapse meanwhile; then it asks, as it should.
      await until(async () => (await costOf30()) < 15);
    }
  });

  it('T16: while a replica reaches no database: it says so soon, and recovers by itself', async () => {
    const victim = await newMember();
    const cutOff = replicas[2]!;
    proxy.stall();
    try {
      const load = new Load([cutOff]);
      load.add(meOf('victim', victim));
      load.add(meOf('admin', admin));
      const revoked = await beside(cheapest, () => revokeSession(victim));
      const answeredAt = performance.now();
      latencies.push(['session revoked while a replica reaches no database', revoked.ms]);
      expect(revoked.ms - revoked.machine).toBeLessThan(1_500);
      const { machine } = await beside(
        async () => expectAnswer(await cutOff.api.get('/health'), 200),
        async () => {
          await sleep(7_000);
          await load.seen(['victim', 'admin'], 3, answeredAt);
        },
      );
      await load.stop();
      const late = [...load.of('victim'), ...load.of('admin')].filter(({ sentAt }) => sentAt > answeredAt);
      expect(new Set(late.map(({ status, code }) => `${status} ${code}`))).toEqual(
        new Set(['503 database.unavailable']),
      );
      const slowest = Math.max(...late.map(({ sentAt, answeredAt: at }) => at - sentAt));
      console.log(`a replica without a database answers 503 after at most ${slowest.toFixed(0)} ms`);
      expect(slowest - machine).toBeLessThan(3_500);
    } finally {
      proxy.resume();
    }
    await expect.poll(async () => (await cutOff.api.get('/auth/me', { token: token() })).status).toBe(200);
    expectAnswer(await cutOff.api.get('/auth/me', { token: victim.accessToken }), 401);
  });
});
