import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import {
  accept,
  answer,
  type Behaviour,
  breakOff,
  dribble,
  hang,
  HttpReceiver,
} from '../../../test/kit/http-receiver.ts';
import { fillLog } from '../../../test/kit/long-log.ts';
import { beside } from '../../../test/kit/stopwatch.ts';
import { HeldSecrets, quick } from '../../../test/kit/sinks.ts';
import { verifyExport } from '../../../test/system/verify-export.ts';
import { SinkRelays } from './sink-relays.ts';
import { SinkConfig } from './sink.config.ts';

let product: AppInProcess;
let admin: SignedIn;
let orgId = '';
let receiver: HttpReceiver;
let tenants = 0;
const secrets = new HeldSecrets({ 'secret://siem/hook#hmac': 'a key of the spec' });

beforeAll(async () => {
  product = await startApp({
    sinks: new SinkConfig(undefined, quick),
    egressAllow: ['127.0.0.0/8'],
    sinkSecrets: secrets,
  });
  product.app.get(SinkRelays).start((error) => product.log.push(`relay: ${String(error)}\n`));
});
afterAll(() => product.close());
beforeEach(async () => {
  tenants += 1;
  admin = await product.addTenant(`hook-${tenants}`, {
    ...owner,
    email: `owner${tenants}@hook.example`,
    name: 'Tilda',
  });
  orgId = admin.organization.id;
  receiver = await HttpReceiver.start();
});
afterEach(async () => {
  await receiver.stop();
  secrets.fail = false;
  product.clock.reset();
});

const sinks = (path = ''): string => `/orgs/${orgId}/audit/sinks${path}`;
const token = (): { token: string } => ({ token: admin.accessToken });
const create = async (settings: object = {}, more: object = {}): Promise<{ id: string }> => {
  const body = {
    name: 'siem',
    kind: 'webhook',
    settings: { url: receiver.url, hmacKey: 'secret://siem/hook#hmac', ...settings },
    ...more,
  };
  return expectStatus(await product.post(sinks(), body, token()), 201);
};
const act = async (): Promise<void> => {
  const body = { name: `Tenant ${Math.random()}` };
  expectStatus(await product.ask('PATCH', `/orgs/${orgId}`, { ...token(), body }), 200);
};
// oxlint-disable-next-line typescript/no-explicit-any
const read = async (id: string): Promise<any> =>
  expectStatus(await product.get(sinks(`/${id}`), token()), 200);
const drained = (id: string) =>
  until(async () => {
    const { delivery } = await read(id);
    return delivery.lag === 0 && delivery;
  });
const failed = (id: string, code: string) =>
  until(async () => (await read(id)).delivery.lastError?.code === code);
/** What arrived with an answer of success, checkpoints aside. */
const lines = (requests = receiver.requests): string[] =>
  requests
    .flatMap(({ body }) => body.split('\n'))
    .filter((line) => line !== '' && !line.includes('"checkpoint":'));
const positions = (requests = receiver.requests): number[] =>
  lines(requests).map((line) => (JSON.parse(line) as { pos: number }).pos);
const proves = async (): Promise<void> => {
  const seen = new Set<string>();
  const once = lines().filter((line) => !seen.has(line) && seen.add(line));
  const verdict = await verifyExport(once);
  expect(verdict.problems).toEqual([]);
};
const inOrder = (all: readonly number[]): void => {
  const first = [...new Set(all)];
  expect(first).toEqual(Array.from({ length: first.length }, (_, n) => n + 1));
};

describe('a webhook', () => {
  it('gets the whole log in order, signed, and what comes later', async () => {
    const { id } = await create();
    await act();
    const delivery = await drained(id);
    expect(delivery).toMatchObject({ breaker: 'closed', deadLetters: 0 });
    expect(delivery.acceptedPos).toBe(delivery.headPos);
    expect(delivery).not.toHaveProperty('writtenPos');
    await proves();
    const all = positions();
    expect(all).toEqual(all.map((_, n) => n + 1));
    for (const { headers, body } of receiver.requests) {
      const signed = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`;
      const expected = createHmac('sha256', 'a key of the spec').update(signed).digest('base64');
      expect(headers['webhook-signature']).toBe(`v1,${expected}`);
    }
  });

  it('gets signed checkpoints as lines of their own', async () => {
    const { key } = await product.apiKey(admin, { permissions: ['audit:export'] });
    expectStatus(await product.get(`/orgs/${orgId}/audit/checkpoint`, { token: key }), 200);
    await create();
    const found = await until(async () =>
      receiver.requests
        .flatMap(({ body }) => body.split('\n'))
        .find((line) => line.includes('"checkpoint":')),
    );
    const { size, checkpoint, org } = JSON.parse(found) as { size: number; checkpoint: string; org: string };
    expect(org).toBe(orgId);
    expect(checkpoint.split('\n')[1]).toBe(String(size));
  });

  it('gets what the filter lets through, and its lag goes to nothing all the same', async () => {
    const filter = { actions: ['audit.*'], outcomes: ['success'] };
    const { id } = await create({}, { filter });
    await act();
    await drained(id);
    const actions = lines().map((line) => (JSON.parse(line) as { action: string }).action);
    expect(new Set(actions)).toEqual(new Set(['audit.sink_created']));
  });

  it.each<[string, Behaviour, string]>([
    ['answers 500', answer(500), 'http_500'],
    ['answers 401', answer(401), 'http_401'],
    ['hangs', hang, 'timeout'],
    ['dribbles an answer', dribble, 'timeout'],
    ['breaks off in the answer', breakOff, 'econnreset'],
    ['redirects', answer(307, { location: 'http://127.0.0.1:9/' }), 'redirected'],
  ])('that %s loses nothing, in order', async (_name, behaviour, code) => {
    receiver.behaviour = behaviour;
    const { id } = await create();
    await failed(id, code);
    await act();
    expect((await read(id)).delivery.acceptedPos).toBe(0);
    const before = receiver.requests.length;
    receiver.behaviour = accept;
    await drained(id);
    const after = positions(receiver.requests.slice(before));
    inOrder(after);
    await proves();
  });

  it('is left alone for a while after failures in a row, and tried with one event', async () => {
    receiver.behaviour = answer(503);
    const { id } = await create();
    await until(async () => (await read(id)).delivery.breaker === 'open');
    const before = receiver.requests.length;
    receiver.behaviour = accept;
    await drained(id);
    const [probe] = receiver.requests.slice(before);
    expect(probe?.body.trimEnd().split('\n')).toHaveLength(1);
    expect((await read(id)).delivery).toMatchObject({ breaker: 'closed', failures: 0 });
  });

  it.each([400, 413])('that refuses events with %i gets all others; those are put aside', async (status) => {
    receiver.behaviour = ({ body }, response) =>
      void response.writeHead(/"action":"org.updated"/.test(body) ? status : 204).end();
    for (let n = 0; n < 3; n += 1) await act();
    const { id } = await create();
    await act();
    await drained(id);
    const { deadLetters, delivery } = await read(id);
    expect(delivery.deadLetters).toBe(4);
    expect(deadLetters.map((one: { code: string }) => one.code)).toEqual([
      `http_${status}`,
      `http_${status}`,
    ]);
    // Three neighbours are one range.
    expect(deadLetters[0].to - deadLetters[0].from).toBe(2);

    receiver.behaviour = accept;
    const { from, to } = deadLetters[0];
    expectStatus(await product.post(sinks(`/${id}/replay`), { from, to }, token()), 200);
    await until(async () => !(await read(id)).delivery.replaying);
    expect((await read(id)).delivery.deadLetters).toBe(1);
    expectStatus(await product.post(sinks(`/${id}/replay`), { from: 1 }, token()), 200);
    await until(async () => !(await read(id)).delivery.replaying);
    expect((await read(id)).delivery.deadLetters).toBe(0);
    await proves();
  });

  it('that hangs holds up neither another sink, nor another organization, nor a writer', async () => {
    receiver.behaviour = hang;
    await create();
    const other = await HttpReceiver.start();
    try {
      const { id } = await create({ url: other.url }, { name: 'another' });
      await drained(id);
      const { ms, machine } = await beside(() => product.sql('SELECT 1'), act);
      expect(ms - machine).toBeLessThan(2_000);
      await drained(id);
    } finally {
      await other.stop();
    }
  });

  it('gets a log of thousands in batches that are bounded', async () => {
    await fillLog(product.database.adminUrl, orgId, 3_000);
    const { id } = await create();
    await drained(id);
    expect(positions().length).toBeGreaterThan(3_000);
    expect(Math.max(...receiver.requests.map(({ body }) => body.length))).toBeLessThan(1024 * 1024);
    await proves();
  });

  it('is signed with the time that the clock tells, wherever it jumps', async () => {
    const { id } = await create();
    await drained(id);
    for (const hours of [-5, 48]) {
      product.clock.reset();
      product.clock.advance(hours * 3_600_000);
      expectStatus(await product.post(sinks(`/${id}/replay`), { from: 1, to: 1 }, admin2()), 200);
      await until(async () => {
        const last = receiver.requests.at(-1)?.headers['webhook-timestamp'];
        return Math.abs(Number(last) - product.clock.now().getTime() / 1_000) < 30;
      });
    }
    function admin2(): { token: string } {
      return { token: adminKey };
    }
  });

  it('waits where its secret cannot be had', async () => {
    secrets.fail = true;
    const { id } = await create();
    await failed(id, 'secret_unavailable');
    expect(receiver.requests).toHaveLength(0);
    secrets.fail = false;
    await drained(id);
  });

  it('stops where it is switched off, and goes on where it was', async () => {
    const { id } = await create();
    await drained(id);
    expectStatus(await product.ask('PATCH', sinks(`/${id}`), { ...token(), body: { enabled: false } }), 200);
    const rows = `SELECT lease_owner FROM portcullis.audit_sink_state WHERE sink_id = $1`;
    await until(async () => (await product.sql(rows, [id]))[0]?.['lease_owner'] === null);
    const before = positions().length;
    await act();
    expectStatus(await product.ask('PATCH', sinks(`/${id}`), { ...token(), body: { enabled: true } }), 200);
    await drained(id);
    const all = positions();
    expect(all.length).toBeGreaterThan(before);
    expect(all).toEqual(all.map((_, n) => n + 1));
  });
});

let adminKey = '';
beforeEach(async () => {
  ({ key: adminKey } = await product.apiKey(admin, { permissions: ['sink:read', 'sink:write'] }));
});
