import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { HecCollector } from '../../../test/kit/hec-collector.ts';
import { HttpReceiver } from '../../../test/kit/http-receiver.ts';
import { HeldSecrets, quick } from '../../../test/kit/sinks.ts';
import { verifyExport } from '../../../test/system/verify-export.ts';
import { SinkRelays } from './sink-relays.ts';
import { SinkConfig } from './sink.config.ts';

let product: AppInProcess;
let admin: SignedIn;
let orgId = '';
let server: HttpReceiver;
let splunk: HecCollector;
let tenants = 0;

beforeAll(async () => {
  product = await startApp({
    sinks: new SinkConfig(undefined, quick),
    egressAllow: ['127.0.0.0/8'],
    sinkSecrets: new HeldSecrets({ 'secret://splunk#token': 't0ken' }),
  });
  product.app.get(SinkRelays).start((error) => product.log.push(`relay: ${String(error)}\n`));
});
afterAll(() => product.close());
beforeEach(async () => {
  tenants += 1;
  const person = { ...owner, email: `owner${tenants}@hec.example`, name: 'Tilda' };
  admin = await product.addTenant(`hec-${tenants}`, person);
  orgId = admin.organization.id;
  splunk = new HecCollector('t0ken');
  server = await HttpReceiver.start(splunk.behaviour);
});
afterEach(() => server.stop());

const token = (): { token: string } => ({ token: admin.accessToken });
const create = async (settings: object = {}): Promise<string> => {
  const given = { url: server.url, token: 'secret://splunk#token', acknowledgeSeconds: 1, ...settings };
  const body = { name: 'splunk', kind: 'splunk_hec', settings: given };
  return expectStatus(await product.post(`/orgs/${orgId}/audit/sinks`, body, token()), 201).id;
};
const read = async (id: string) =>
  expectStatus(await product.get(`/orgs/${orgId}/audit/sinks/${id}`, token()), 200).delivery;
const drained = (id: string) =>
  until(async () => {
    const delivery = await read(id);
    return delivery.lag === 0 && delivery;
  });
const failed = (id: string, code: string) =>
  until(async () => (await read(id)).lastError?.code === code && (await read(id)));
/** Each event once, by its id, in the order in which each first came. */
const events = (): object[] => [
  ...new Map(splunk.indexed.map(({ event, fields }) => [fields['event_id'], event as object])).values(),
];
const proves = async (headPos: number): Promise<void> => {
  const lines = events().map((event) => JSON.stringify(event));
  const verdict = await verifyExport(lines);
  expect(verdict.problems).toEqual([]);
  expect(verdict.orgs.get(orgId)?.lastPos).toBe(headPos);
};

describe('an event collector', () => {
  it('has indexed what the sink says is indexed', async () => {
    splunk.delay = 3;
    const id = await create({ index: 'security' });
    const { indexedPos, acceptedPos, headPos } = await drained(id);
    expect([indexedPos, acceptedPos]).toEqual([headPos, headPos]);
    await proves(headPos);
    const [first] = splunk.indexed;
    expect(first).toMatchObject({
      source: 'portcullis',
      sourcetype: 'portcullis:audit:native',
      index: 'security',
      fields: { org: orgId, pos: '1' },
    });
    expect(first?.time).toBeGreaterThan(1_700_000_000);
  });

  it('that takes batches and forgets them gets them again, on another channel', async () => {
    splunk.mode = 'forget';
    const id = await create();
    const delivery = await failed(id, 'not_acknowledged');
    expect(delivery.indexedPos).toBe(0);
    expect(delivery.acceptedPos).toBeGreaterThan(0);
    splunk.mode = 'index';
    const { headPos } = await drained(id);
    expect(splunk.channels.size).toBeGreaterThan(1);
    await proves(headPos);
  });

  it('that acknowledges nothing is told of, and what it took is not called indexed', async () => {
    splunk.mode = 'no acks';
    const id = await create();
    expect((await failed(id, 'acknowledgement_off')).indexedPos).toBe(0);
    const settings = { url: server.url, token: 'secret://splunk#token', acknowledge: false };
    const path = `/orgs/${orgId}/audit/sinks/${id}`;
    expectStatus(await product.ask('PATCH', path, { ...token(), body: { settings } }), 200);
    const delivery = await drained(id);
    expect(delivery.acceptedPos).toBe(delivery.headPos);
    expect(delivery).not.toHaveProperty('indexedPos');
  });

  it('that is busy loses nothing', async () => {
    splunk.mode = 'busy';
    const id = await create();
    await failed(id, 'http_503');
    splunk.mode = 'index';
    await proves((await drained(id)).headPos);
  });

  it('that refuses one event gets all others', async () => {
    splunk.refuse = ({ fields }) => fields['pos'] === '2';
    const id = await create();
    const { headPos, deadLetters } = await drained(id);
    expect(deadLetters).toBe(1);
    const positions = new Set(splunk.indexed.map(({ fields }) => Number(fields['pos'])));
    expect(positions.has(2)).toBe(false);
    expect(positions.size).toBeGreaterThanOrEqual(headPos - 1);
  });

  it('that does not know the token gets none of the events for dead letters', async () => {
    const behaviour = server.behaviour;
    server.behaviour = (_request, response) =>
      void response.writeHead(400).end(JSON.stringify({ text: 'Data channel is missing', code: 10 }));
    const id = await create();
    expect((await failed(id, 'hec_10')).deadLetters).toBe(0);
    server.behaviour = behaviour;
    await proves((await drained(id)).headPos);
  });
});
