import { Agent } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { ask, Load, type Sample } from '../kit/load.ts';
import { addKey, addMember, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

/**
 * Keys and peppers rotate on three processes under load: each token is used on every replica the moment it was
 * issued, and API keys all the while.
 */
describe('three replicas', () => {
  const replicas: Product[] = [];
  let operator: SignedIn;
  let adminUrl: string;
  let owner: Awaited<ReturnType<typeof setUp>>;
  const PATH = '/platform/signing-keys';

  beforeAll(async () => {
    const first = await startProduct();
    replicas.push(first);
    owner = await setUp(first);
    adminUrl = await first.databaseUrl();
    replicas.push(await startProduct({ replicaOf: first }));
    replicas.push(await startProduct({ replicaOf: first }));
  });
  afterAll(() => disposeAll(replicas));

  const kidOf = (token: string): string =>
    JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).kid;

  /** As if the next key had been published long enough. The superuser's change needs a record like any other. */
  async function ripen(): Promise<void> {
    await run(
      adminUrl,
      `ALTER TABLE portcullis.signing_keys DISABLE TRIGGER USER;
       UPDATE portcullis.signing_keys SET created_at = now() - interval '11 minutes' WHERE state = 'next';
       ALTER TABLE portcullis.signing_keys ENABLE TRIGGER USER`,
    );
  }

  it('refuse no token of each other at any moment of six rotations', async () => {
    const agent = new Agent({ keepAlive: true });
    operator = await signIn(replicas[0]!, owner, 'platform');
    const used: (Sample & { issuer: number; kid: string; refreshedAt: number })[] = [];
    const stop = new AbortController();
    /** Refreshes on one replica for ever, and uses each token on all of them at once. */
    const issuer = async (index: number): Promise<void> => {
      let { refreshToken } = await signIn(replicas[index]!, owner);
      while (!stop.signal.aborted) {
        const refreshedAt = performance.now();
        const answer = await replicas[index]!.api.post('/auth/refresh', { refreshToken });
        const next = expectAnswer<SignedIn>(answer, 200);
        refreshToken = next.refreshToken;
        const use = { name: 'fresh', token: next.accessToken, path: '/auth/me' };
        const samples = await Promise.all(replicas.map((product, at) => ask(product, at, use, agent)));
        const kid = kidOf(next.accessToken);
        used.push(...samples.map((one) => ({ ...one, issuer: index, kid, refreshedAt })));
      }
    };
    const issuers = replicas.map((_, index) => issuer(index));
    // Remembered tokens are used all the while too.
    const load = new Load(replicas, 10);
    load.add({
      name: 'remembered',
      token: (await signIn(replicas[1]!, owner)).accessToken,
      path: '/auth/me',
    });
    /** How many replicas have issued four tokens since then, each used on all three. */
    const issuersSince = (time: number): number =>
      replicas.filter(
        (_, index) => used.filter((one) => one.issuer === index && one.refreshedAt > time).length >= 12,
      ).length;
    const switched: number[] = [];
    try {
      await expect.poll(() => issuersSince(0)).toBe(3);
      for (let turn = 0; turn < 6; turn += 1) {
        await ripen();
        const began = performance.now();
        const answer = await replicas[turn % 3]!.api.post(`${PATH}/rotate`, undefined, {
          token: operator.accessToken,
        });
        const kid = expectAnswer(answer, 200).items.find(
          ({ state }: { state: string }) => state === 'current',
        ).kid as string;
        const answeredAt = performance.now();
        await expect.poll(() => issuersSince(answeredAt)).toBe(3);
        // Once the rotation has answered, every replica signs with the new key.
        const late = used.filter(({ refreshedAt }) => refreshedAt > answeredAt);
        expect(late.filter((one) => one.kid !== kid)).toEqual([]);
        switched.push(answeredAt - began);
      }
      await load.seen(['remembered'], 35);
    } finally {
      stop.abort();
      await Promise.all(issuers);
      await load.stop();
      agent.destroy();
    }
    const kids = new Set(used.map(({ kid }) => kid));
    const remembered = load.of('remembered');
    console.log(
      `${used.length} uses of ${used.length / 3} new tokens and ${remembered.length} of a remembered one under ` +
        `${kids.size} keys: ${used.filter(({ status }) => status !== 200).length} refused; ` +
        `rotations answered after ${switched.map((ms) => ms.toFixed(0)).join(', ')} ms`,
    );
    expect([...used, ...remembered].filter(({ status }) => status !== 200)).toEqual([]);
    expect(kids.size).toBe(7);
    for (const index of replicas.keys()) {
      expect(new Set(used.filter((one) => one.issuer === index).map(({ kid }) => kid)).size).toBe(7);
    }
    expect(used.length).toBeGreaterThan(200);
  });

  it('accept no token of a withdrawn key once the withdrawal has answered, and refresh', async () => {
    const people = await Promise.all(replicas.map((product) => signIn(product, owner)));
    operator = await signIn(replicas[0]!, owner, 'platform');
    const load = new Load(replicas);
    people.forEach(({ accessToken }, n) =>
      load.add({ name: `person ${n}`, token: accessToken, path: '/auth/me' }),
    );
    try {
      const names = people.map((_, n) => `person ${n}`);
      await load.seen(names, 20);
      const began = performance.now();
      const path = `${PATH}/${kidOf(people[0]!.accessToken)}`;
      expectAnswer(await replicas[1]!.api.delete(path, { token: operator.accessToken }), 204);
      const answeredAt = performance.now();
      await load.seen(names, 20, answeredAt);
      await load.stop();
      console.log(`signing key withdrawn: answered after ${(answeredAt - began).toFixed(1)} ms`);
      for (const n of people.keys()) {
        const samples = load.of(`person ${n}`);
        const before = samples.filter((one) => one.answeredAt < began);
        expect(before.length).toBeGreaterThan(10);
        expect(before.filter(({ status }) => status !== 200)).toEqual([]);
        const after = samples.filter((one) => one.sentAt > answeredAt);
        expect(new Set(after.map(({ replica }) => replica)).size).toBe(3);
        expect(new Set(after.map(({ status, code }) => `${status} ${code}`))).toEqual(
          new Set(['401 auth.invalid_token']),
        );
      }
    } finally {
      await load.stop();
    }
    for (const [index, { refreshToken }] of people.entries()) {
      const next = expectAnswer<SignedIn>(
        await replicas[index]!.api.post('/auth/refresh', { refreshToken }),
        200,
      );
      for (const replica of replicas) {
        expectAnswer(await replica.api.get('/auth/me', { token: next.accessToken }), 200);
      }
    }
  });

  it('refuse no API key while the pepper rotates and the keys move to the new one', async () => {
    const admin = await signIn(replicas[0]!, owner);
    operator = await signIn(replicas[0]!, owner, 'platform');
    const keys = await Promise.all(
      Array.from({ length: 5 }, () => addKey(replicas[0]!, admin, ['org:read'])),
    );
    const load = new Load(replicas, 20);
    keys.forEach(({ key }, n) => load.add({ name: `key ${n}`, token: key, path: '/auth/me' }));
    const peppers = '/platform/key-peppers';
    const began = performance.now();
    const names = keys.map((_, n) => `key ${n}`);
    try {
      await load.seen(names, 10);
      const { items } = expectAnswer<{ items: { id: string }[] }>(
        await replicas[1]!.api.post(`${peppers}/rotate`, undefined, { token: operator.accessToken }),
        200,
      );
      const current = items[0]!.id;
      await expect
        .poll(() => run(adminUrl, 'SELECT DISTINCT pepper_id FROM portcullis.api_keys'))
        .toEqual([{ pepper_id: current }]);
      const moved = performance.now() - began;
      await load.seen(names, 10, began + moved);
      await load.stop();
      const uses = keys.flatMap((_, n) => load.of(`key ${n}`));
      console.log(
        `${uses.length} uses of ${keys.length} API keys while they moved to a new pepper, which all had done ` +
          `after ${(moved / 1000).toFixed(1)} s: ${uses.filter(({ status }) => status !== 200).length} refused`,
      );
      expect(uses.filter(({ status }) => status !== 200)).toEqual([]);
      // Once each, however many replicas saw it.
      const records = await run(
        adminUrl,
        `SELECT target_id, count(*)::int AS count FROM portcullis.audit_events
          WHERE action = 'api_key.rehashed' GROUP BY target_id`,
      );
      expect(records).toHaveLength(keys.length);
      expect(new Set(records.map(({ count }) => count))).toEqual(new Set([1]));
    } finally {
      await load.stop();
    }
  });

  it('accept no key of a removed member, nor of their service accounts, once the removal has answered', async () => {
    const [first] = replicas as [Product];
    const admin = await signIn(first, owner);
    const member = await signIn(first, await addMember(first, admin, 'leaving', 'admin'));
    const org = `/orgs/${admin.organization.id}`;
    const own = await addKey(first, member, ['org:read']);
    const byMember = { token: member.accessToken };
    const account = await first.api.post(`${org}/service-accounts`, { name: 'robot' }, byMember);
    const serviceAccountId = expectAnswer(account, 201).id as string;
    // Made by another person, who stays.
    const request = { name: 'robot', permissions: ['org:read'], serviceAccountId };
    const made = await first.api.post(`${org}/api-keys`, request, { token: admin.accessToken });
    const keys = [own.key, expectAnswer<{ key: string }>(made, 201).key];
    const other = await addKey(first, admin, ['org:read']);
    const load = new Load(replicas);
    keys.forEach((token, n) => load.add({ name: `key ${n}`, token, path: '/auth/me' }));
    load.add({ name: 'other', token: other.key, path: '/auth/me' });
    const names = keys.map((_, n) => `key ${n}`);
    try {
      await load.seen([...names, 'other'], 20);
      const removed = await replicas[2]!.api.delete(`${org}/members/${member.user.id}`, {
        token: admin.accessToken,
      });
      expectAnswer(removed, 204);
      const answeredAt = performance.now();
      await load.seen([...names, 'other'], 20, answeredAt);
      await load.stop();
      for (const n of keys.keys()) {
        const samples = load.of(`key ${n}`);
        expect(samples.some(({ status }) => status === 200)).toBe(true);
        const after = samples.filter(({ sentAt }) => sentAt > answeredAt);
        expect(new Set(after.map(({ replica }) => replica)).size).toBe(3);
        expect(after.filter(({ status }) => status !== 401)).toEqual([]);
      }
      expect(load.of('other').filter(({ status }) => status !== 200)).toEqual([]);
    } finally {
      await load.stop();
    }
  });
});
