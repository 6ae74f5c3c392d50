import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

/**
 * Two processes on one database. Changes go on all the time on both; a request counts by the moment it was sent,
 * against the moment the answer of the order was here.
 */
describe('an order to be read-only holds when it answers', () => {
  const replicas: Product[] = [];
  let operator: SignedIn;
  let admin: SignedIn;

  beforeAll(async () => {
    const first = await startProduct();
    replicas.push(first);
    const owner = await setUp(first);
    replicas.push(await startProduct({ replicaOf: first }));
    operator = await signIn(first, owner, 'platform');
    admin = await signIn(first, owner);
  });
  afterAll(() => disposeAll(replicas));

  interface Tried {
    readonly replica: number;
    readonly sentAt: number;
    readonly answeredAt: number;
    readonly status: number;
  }

  /** Changes on every replica, one after another, until it is stopped. */
  function changing(): { tried: Tried[]; stop: () => Promise<void> } {
    const tried: Tried[] = [];
    const stopping = new AbortController();
    const runs = replicas.map(async ({ api }, replica) => {
      while (!stopping.signal.aborted) {
        const sentAt = performance.now();
        const body = { name: `r${replica}-${tried.length}-${sentAt}`, permissions: [] };
        const path = `/orgs/${admin.organization.id}/roles`;
        const { status } = await api.post(path, body, { token: admin.accessToken });
        tried.push({ replica, sentAt, answeredAt: performance.now(), status });
      }
    });
    return {
      tried,
      stop: async () => {
        stopping.abort();
        await Promise.all(runs);
      },
    };
  }

  const order = async (replica: number, state: string): Promise<number> => {
    const body = { state, reason: 'a test' };
    const { api } = replicas[replica]!;
    expectAnswer(await api.post('/platform/system-state', body, { token: operator.accessToken }), 200);
    return performance.now();
  };
  const seen = async (tried: Tried[], since: number): Promise<void> => {
    const enough = () =>
      replicas.every((_, n) => tried.filter((one) => one.replica === n && one.sentAt > since).length >= 5);
    while (!enough()) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  it('on every replica, given on any, and so does its end', async () => {
    for (const by of [0, 1]) {
      const { tried, stop } = changing();
      await seen(tried, 0);
      const began = performance.now();
      const closedAt = await order(by, 'read-only');
      await seen(tried, closedAt);
      // What is answered before the end of it is ordered was sent while it stood.
      const endBegan = performance.now();
      const openedAt = await order(1 - by, 'operational');
      await seen(tried, openedAt);
      await stop();
      const statuses = (from: number, to: number) =>
        new Set(tried.filter((one) => one.sentAt > from && one.answeredAt < to).map(({ status }) => status));
      expect(statuses(0, began)).toEqual(new Set([201]));
      expect(statuses(closedAt, endBegan)).toEqual(new Set([503]));
      expect(statuses(openedAt, Infinity)).toEqual(new Set([201]));
    }
  });
});
