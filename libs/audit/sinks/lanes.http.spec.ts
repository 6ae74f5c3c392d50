import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '#database';
import { newId } from '#kernel';
import type { Hold } from '#relay';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { HttpReceiver } from '../../../test/kit/http-receiver.ts';
import { tamper } from '../../../test/kit/long-log.ts';
import { HeldSecrets, quick } from '../../../test/kit/sinks.ts';
import { CheckpointRounds } from '../checkpoint/checkpoint-rounds.ts';
import { bury, claimLanes, commitDelivered, release } from './sink-lane.store.ts';
import { SinkRelays } from './sink-relays.ts';
import { SinkConfig } from './sink.config.ts';

let product: AppInProcess;
let operator: SignedIn;
let admin: SignedIn;
let receiver: HttpReceiver;
let orgId = '';
let anchor = '';
let tenants = 0;

beforeAll(async () => {
  anchor = await mkdtemp(join(tmpdir(), 'portcullis-anchor-'));
  product = await startApp({
    audit: { checkpointSeconds: 60, anchorDir: anchor },
    sinks: new SinkConfig(undefined, quick),
    egressAllow: ['127.0.0.0/8'],
    sinkSecrets: new HeldSecrets({ 'secret://siem#hmac': 'key' }),
  });
  operator = await product.signIn(owner, 'platform');
});
afterAll(async () => {
  await product.close();
  await rm(anchor, { recursive: true, force: true });
});
beforeEach(async () => {
  tenants += 1;
  receiver = await HttpReceiver.start();
  const person = { ...owner, email: `owner${tenants}@lane.example` };
  admin = await product.addTenant(`lane-${tenants}`, person);
  orgId = admin.organization.id;
  return () => receiver.stop();
});

const token = () => ({ token: admin.accessToken });
const makeSink = async (): Promise<string> => {
  const settings = { url: receiver.url, hmacKey: 'secret://siem#hmac' };
  const body = { name: 'siem', kind: 'webhook', settings };
  return expectStatus(await product.post(`/orgs/${orgId}/audit/sinks`, body, token()), 201).id;
};
const delivery = async (id: string) =>
  expectStatus(await product.get(`/orgs/${orgId}/audit/sinks/${id}`, token()), 200).delivery;
const drained = (id: string) => until(async () => (await delivery(id)).lag === 0);
const act = async (): Promise<void> => {
  const body = { name: `Tenant ${Math.random()}` };
  expectStatus(await product.ask('PATCH', `/orgs/${orgId}`, { ...token(), body }), 200);
};
const received = (): string[] =>
  receiver.requests.flatMap(({ body }) => body.split('\n')).filter((line) => line.startsWith('{"action"'));
const exported = async (): Promise<string[]> => {
  const answer = await product.get(`/orgs/${orgId}/audit/export?limit=10000`, token());
  expectStatus(answer, 200);
  return answer.raw.toString().split('\n').slice(0, -1);
};
const change = (sql: string) => tamper(product.database.adminUrl, sql, [orgId]);

describe('a lane', () => {
  let relays: SinkRelays;
  beforeAll(() => {
    relays = product.app.get(SinkRelays);
    relays.start((error) => product.log.push(`relay: ${String(error)}\n`));
  });
  afterAll(() => relays.onModuleDestroy());

  it('of a log that forked stands still until that is acknowledged, and then sends what took the place', async () => {
    const rounds = product.app.get(CheckpointRounds);
    const id = await makeSink();
    for (let n = 0; n < 3; n += 1) await act();
    await rounds.round(() => undefined);
    for (let n = 0; n < 3; n += 1) await act();
    await drained(id);
    await rounds.round(() => undefined);
    await drained(id);
    const head = (await exported()).length;

    // As a superuser cuts it; what was sent of it stays known, and the log grows past it again.
    await change(`DELETE FROM audit_positions WHERE org_id = $1 AND pos > ${head - 3}`);
    await rounds.compare(() => undefined);
    const before = received().length;
    for (let n = 0; n < 8; n += 1) await act();
    const [lane] = await product.sql(
      'SELECT lease_owner FROM portcullis.audit_sink_state WHERE sink_id = $1 AND lease_owner IS NULL',
      [id],
    );
    expect(lane ?? (await until(() => unheld(id)))).toBeTruthy();
    expect(received()).toHaveLength(before);

    const path = `/platform/audit-forks/${orgId}/acknowledge`;
    const as = { token: operator.accessToken };
    expectStatus(await product.post(path, { reason: 'cut by hand' }, as), 200);
    await until(async () => {
      const arrived = new Set(received());
      return (await exported()).every((line) => arrived.has(line));
    });
    expect((await delivery(id)).deadLetters ?? 0).toBe(0);
  });

  it('puts aside an event that somebody made unreadable, and goes on', async () => {
    const id = await makeSink();
    await drained(id);
    expectStatus(
      await product.ask('PATCH', `/orgs/${orgId}/audit/sinks/${id}`, {
        ...token(),
        body: { enabled: false },
      }),
      200,
    );
    await act();
    await act();
    const one = `org_id = $1 AND id =
      (SELECT event_id FROM audit_positions WHERE org_id = $1 ORDER BY pos DESC LIMIT 1 OFFSET 1)`;
    const [{ id: eventId } = {}] = await product.sql(
      `SELECT id FROM portcullis.audit_events WHERE ${one.replace('audit_positions', 'portcullis.audit_positions')}`,
      [orgId],
    );
    await change(`UPDATE audit_events SET leaf = 'x' || leaf WHERE ${one}`);
    expectStatus(
      await product.ask('PATCH', `/orgs/${orgId}/audit/sinks/${id}`, { ...token(), body: { enabled: true } }),
      200,
    );
    await drained(id);
    const dead = await product.sql(
      'SELECT code, from_pos, to_pos FROM portcullis.audit_sink_dead WHERE sink_id = $1',
      [id],
    );
    expect(dead).toMatchObject([{ code: 'unreadable' }]);
    expect(dead[0]?.['from_pos']).toBe(dead[0]?.['to_pos']);
    await change(
      `UPDATE audit_events SET leaf = substr(leaf, 2) WHERE org_id = $1 AND id = '${String(eventId)}'`,
    );
  });
});

const unheld = async (id: string) =>
  (
    await product.sql(
      'SELECT 1 FROM portcullis.audit_sink_state WHERE sink_id = $1 AND lease_owner IS NULL',
      [id],
    )
  ).length > 0;

describe('a lease that is over', () => {
  it('lets its holder write nothing, even where the same worker has taken the lane again', async () => {
    const id = await makeSink();
    const database = product.app.get(Database, { strict: false });
    const worker = newId();
    const claim = async (): Promise<Hold> =>
      database.acrossOrgs('audit_sinks', async (tx) => {
        const lanes = await claimLanes(tx, worker, { leaseMs: 60_000, longestMs: 60_000, limit: 100 });
        const found = lanes.find(({ key: [sinkId] }) => sinkId === id);
        return { key: [id, orgId], owner: worker, fence: found?.fence ?? '' };
      });
    const first = await claim();
    expect((await claim()).fence).toBe('');
    await product.change(
      `UPDATE audit_sink_state SET lease_until = clock_timestamp() - interval '1 second' WHERE sink_id = $1`,
      [id],
    );
    const second = await claim();
    expect(second.fence).not.toBe('');
    await database.acrossOrgs('audit_sinks', async (tx) => {
      expect(await commitDelivered(tx, first, 1)).toBe(false);
      expect(await bury(tx, orgId, first, { from: 1, to: 1, code: 'refused' })).toBe(false);
      await release(tx, first, true);
      expect(await commitDelivered(tx, second, 1)).toBe(true);
    });
  });
});
