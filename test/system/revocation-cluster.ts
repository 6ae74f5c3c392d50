import { expect } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { Load, type Sample, type Use } from '../kit/load.ts';
import { StallingProxy } from '../kit/stalling-proxy.ts';
import { beside } from '../kit/stopwatch.ts';
import { type Account, addMember, addTenant, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

/**
 * When a revocation answers, nothing accepts what it revoked: three processes on one database, each with the
 * credential in its cache and under load. A request counts by the moment it was sent, taken before its first byte
 * left, against the moment the whole answer of the revocation was here. The third replica reaches the database
 * through a proxy that can fall silent.
 */
export const replicas: Product[] = [];
export let proxy: StallingProxy;
export let operator: SignedIn;
export let admin: SignedIn;
export let tenantOwner: SignedIn;
export let adminUrl: string;
/** Members of acme, and how many were taken. */
export const members: Account[] = [];
export const latencies: [string, number][] = [];

export async function openCluster(): Promise<void> {
  const first = await startProduct();
  replicas.push(first);
  const owner = await setUp(first);
  adminUrl = await first.databaseUrl();
  proxy = await StallingProxy.before(adminUrl);
  replicas.push(await startProduct({ replicaOf: first }));
  replicas.push(await startProduct({ replicaOf: first, databaseUrl: proxy.url }));
  admin = await signIn(first, owner);
  operator = await signIn(first, owner, 'platform');
  tenantOwner = await signIn(first, await addTenant(first, operator, 'globex'));
  for (let n = 0; n < 20; n += 1) members.push(await addMember(first, admin, `member-${n}`));
}

export async function closeCluster(): Promise<void> {
  for (const [what, ms] of latencies) console.log(`${what}: answered after ${ms.toFixed(1)} ms`);
  await proxy?.close();
  await disposeAll(replicas);
}

export const token = () => admin.accessToken;
export const inOrg = (path: string) => `/orgs/${admin.organization.id}${path}`;
export const meOf = (name: string, { accessToken }: SignedIn): Use => ({
  name,
  token: accessToken,
  path: '/auth/me',
});
export async function newMember(): Promise<SignedIn> {
  const account = members.pop();
  if (!account) throw new Error('make more members');
  return signIn(replicas[members.length % replicas.length]!, account);
}

export interface Revocation {
  /** What must not be accepted any more. */
  victims: Use[];
  /** Which answers refuse it. */
  refused: { status: number; code?: string };
  revoke: () => Promise<void>;
  /** The sessions that must not be refreshed. */
  sessions?: SignedIn[];
  others?: Use[];
  /** What an answer may be besides, for replicas that are cut off. */
  besides?: (sample: Sample) => boolean;
}

/** What a revocation is measured beside: the first replica and the database are asked for next to nothing. */
export async function cheapest(): Promise<void> {
  expectAnswer(await replicas[0]!.api.get('/health'), 200);
  await run(adminUrl, 'SELECT 1');
}

/** Revokes under load and looks at everything that was sent after the answer. */
export async function holds(what: string, revocation: Revocation): Promise<void> {
  const { victims, refused, revoke, sessions = [], besides = () => false } = revocation;
  const others = revocation.others ?? [meOf('the admin', admin), meOf('another organization', tenantOwner)];
  const load = new Load(replicas);
  for (const use of [...victims, ...others]) load.add(use);
  try {
    const names = victims.map(({ name }) => name);
    await load.seen(names, 40);
    const began = performance.now();
    const {
      value: answeredAt,
      ms,
      machine,
    } = await beside(cheapest, async () => {
      await revoke();
      return performance.now();
    });
    latencies.push([what, ms]);
    await load.seen(names, 40, answeredAt);
    await load.stop();
    for (const { name } of victims) {
      for (let replica = 0; replica < replicas.length; replica += 1) {
        const samples = load.of(name).filter((one) => one.replica === replica);
        const before = samples.filter((one) => one.answeredAt < began);
        const after = samples.filter((one) => one.sentAt > answeredAt && !besides(one));
        expect(before.filter(({ status }) => status === 200).length, `${name} was cached`).toBeGreaterThan(3);
        expect(after.length, `${name} was tried on replica ${replica}`).toBeGreaterThan(3);
        const accepted = after.filter(
          ({ status, code }) =>
            status !== refused.status || (refused.code !== undefined && code !== refused.code),
        );
        expect(accepted, `${what}: ${name} on replica ${replica}`).toEqual([]);
      }
    }
    for (const { name } of others) {
      expect(
        load.of(name).filter((one) => one.status !== 200 && !besides(one)),
        `${name} is not affected`,
      ).toEqual([]);
    }
    expect(ms - machine).toBeLessThan(1_500);
  } finally {
    await load.stop();
  }
  for (const { refreshToken } of sessions) {
    for (const replica of replicas) {
      expectAnswer(await replica.api.post('/auth/refresh', { refreshToken }), 401);
    }
  }
}

export async function revokeSession({ session }: SignedIn): Promise<void> {
  expectAnswer(await replicas[0]!.api.delete(inOrg(`/sessions/${session.id}`), { token: token() }), 204);
}
