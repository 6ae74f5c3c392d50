import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '#database';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { fillOutbox } from '../../../test/kit/outbox.ts';
import { tamper } from '../../../test/kit/long-log.ts';
import { EventConfig } from '../relay/event.config.ts';
import { EventRetention } from './event-retention.ts';

let product: AppInProcess;
let admin: SignedIn;
let orgId = '';

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner, 'acme');
  orgId = admin.organization.id;
});
afterAll(() => product.close());

const events = (query: string) => product.get(`/orgs/${orgId}/events${query}`, { token: admin.accessToken });
const age = (upTo: number) =>
  tamper(
    product.database.adminUrl,
    'UPDATE portcullis.event_positions SET at = now() - make_interval(days => 100) WHERE org_id = $1 AND pos <= $2',
    [orgId, upTo],
  );

describe('events that are older than they are kept', () => {
  it('go, and readers are told where to go on', async () => {
    await fillOutbox(product.database.adminUrl, orgId, 20);
    await age(15);
    expect(await product.app.get(EventRetention).sweep()).toBe(15);
    expect(expectStatus(await events('?after=7'), 404, 'events.pruned').data).toEqual({ prunedUpTo: 15 });
    const { items } = expectStatus(await events('?after=15'), 200);
    expect(Number(items[0].sequence)).toBe(16);
    expect(expectStatus(await events('?after=0'), 200).items).toEqual(items);
    expect(await product.app.get(EventRetention).sweep()).toBe(0);
  });

  it('stay while a destination has not got them', async () => {
    await product.sql(
      `INSERT INTO portcullis.event_lanes (org_id, destination, delivered_pos) VALUES ($1, 'nats', 17)`,
      [orgId],
    );
    await age(20);
    const settings = { url: 'nats://127.0.0.1:1', stream: 'S', replicas: 1 };
    const retention = new EventRetention(product.app.get(Database), new EventConfig(settings));
    expect(await retention.sweep()).toBe(2);
    expect(await retention.sweep()).toBe(0);
    expectStatus(await events('?after=17'), 200);
  });

  it('leave the newest one, for positions continue after it', async () => {
    await age(1_000_000);
    await product.app.get(EventRetention).sweep();
    const { items, head } = expectStatus(await events('?after=0'), 200);
    expect(items.map(({ sequence }: { sequence: string }) => Number(sequence))).toEqual([head]);
    await fillOutbox(product.database.adminUrl, orgId, 1);
    expect(expectStatus(await events(`?after=${head}`), 200).head).toBe(head + 1);
  });
});
