import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '#database';
import { Clock } from '#kernel';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { answer, hang, HttpReceiver } from '../../../test/kit/http-receiver.ts';
import { fillLog } from '../../../test/kit/long-log.ts';
import { HeldSecrets, quick } from '../../../test/kit/sinks.ts';
import { verifyExport } from '../../../test/system/verify-export.ts';
import { Receivers } from './receivers.ts';
import { SinkRelays } from './sink-relays.ts';
import { SinkConfig } from './sink.config.ts';

let product: AppInProcess;
let admin: SignedIn;
let platform: SignedIn;
let receiver: HttpReceiver;
let dir = '';
let names = 0;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'portcullis-sinks-'));
  receiver = await HttpReceiver.start();
  product = await startApp({
    sinks: new SinkConfig(dir, quick),
    egressAllow: ['127.0.0.0/8'],
    sinkSecrets: new HeldSecrets({ 'secret://siem#hmac': 'key' }),
  });
  admin = await product.addTenant('tenant', { ...owner, email: 'tilda@tenant.example', name: 'Tilda' });
  platform = await product.signIn(owner, 'platform');
});
afterAll(async () => {
  await product.close();
  await receiver.stop();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => void (names += 1));

const path = (who: SignedIn, rest = ''): string => `/orgs/${who.organization.id}/audit/sinks${rest}`;
const post = (body: object, who = admin, rest = '') =>
  product.post(path(who, rest), body, { token: who.accessToken });
const webhook = (settings: object = {}): object => ({
  name: `sink ${names}`,
  kind: 'webhook',
  settings: { url: receiver.url, hmacKey: 'secret://siem#hmac', ...settings },
});
const create = async (body: object, who = admin) => expectStatus(await post(body, who), 201);
const read = async (id: string, who = admin) =>
  expectStatus(await product.get(path(who, `/${id}`), { token: who.accessToken }), 200);
const drop = async (id: string, who = admin) =>
  expectStatus(await product.delete(path(who, `/${id}`), { token: who.accessToken }), 204);

describe('a sink', () => {
  it('is made, shown, changed and deleted, with a record of each', async () => {
    const made = await create(webhook());
    expect(made).toMatchObject({
      kind: 'webhook',
      format: 'native',
      enabled: true,
      delivery: { deadLetters: 0 },
    });
    expectStatus(await post(webhook()), 409, 'audit.sink_exists');
    const list = expectStatus(await product.get(path(admin), { token: admin.accessToken }), 200);
    expect(list.items.map(({ id }: { id: string }) => id)).toContain(made.id);
    const change = { name: 'renamed', format: 'ocsf', enabled: false };
    const patched = await product.ask('PATCH', path(admin, `/${made.id}`), {
      token: admin.accessToken,
      body: change,
    });
    expect(expectStatus(patched, 200)).toMatchObject(change);
    await drop(made.id);
    expectStatus(
      await product.get(path(admin, `/${made.id}`), { token: admin.accessToken }),
      404,
      'audit.sink_not_found',
    );
    for (const action of ['audit.sink_created', 'audit.sink_updated', 'audit.sink_deleted']) {
      const records = await product.records(admin.organization.id, action);
      expect(records.filter(({ target }) => target.id === made.id)).toHaveLength(1);
    }
  });

  it('of another organization is not there', async () => {
    const { id } = await create(webhook());
    const asked = { token: platform.accessToken };
    expectStatus(await product.get(path(platform, `/${id}`), asked), 404, 'audit.sink_not_found');
    expectStatus(await product.post(path(platform, `/${id}/test`), {}, asked), 404, 'audit.sink_not_found');
    expectStatus(await product.delete(path(platform, `/${id}`), asked), 404, 'audit.sink_not_found');
    await drop(id);
  });

  it.each<[string, object, string]>([
    ['a literal secret', { hmacKey: 'whsec_c2VjcmV0' }, 'settings.hmacKey'],
    ['a literal header', { authorization: 'Bearer abc' }, 'settings.authorization'],
    ['a private key', { ca: '-----BEGIN PRIVATE KEY-----\nx' }, 'settings.ca'],
    [
      'a certificate without its key',
      { clientCertificate: '-----BEGIN CERTIFICATE-----' },
      'settings.clientKey',
    ],
    ['a password in the URL', { url: 'https://me:secret@siem.example/' }, 'settings.url'],
    ['another protocol', { url: 'file:///etc/passwd' }, 'settings.url'],
    ['what it does not know', { verify: false }, 'settings.verify'],
  ])('takes no %s', async (_what, settings, at) => {
    const { errors } = expectStatus(await post(webhook(settings)), 400, 'audit.bad_sink');
    expect(errors.map((error: { path: string }) => error.path)).toEqual([at]);
  });

  it('takes no filter of what there is not', async () => {
    const filter = { actions: ['auth.*', 'no.*'] };
    const { errors } = expectStatus(await post({ ...webhook(), filter }), 400, 'audit.bad_sink');
    expect(errors[0].path).toBe('filter.actions[1]');
  });

  it('is one of so many', async () => {
    const made: string[] = [];
    for (;;) {
      const answered = await post({ ...webhook(), name: `many ${made.length}`, enabled: false });
      if (answered.status !== 201) {
        expectStatus(answered, 409, 'audit.too_many_sinks');
        break;
      }
      made.push(answered.body.id);
    }
    expect(made.length).toBeLessThanOrEqual(20);
    for (const id of made) await drop(id);
  });

  it('goes with its organization', async () => {
    const gone = await product.addTenant('gone', { ...owner, email: 'g@gone.example', name: 'Gone' });
    await create(webhook(), gone);
    const asked = { token: gone.accessToken };
    const deleted = await product.delete(`/orgs/${gone.organization.id}`, asked);
    expect(deleted.status, JSON.stringify(deleted.body)).toBeLessThan(300);
    expect(
      await product.sql('SELECT 1 FROM portcullis.audit_sink_state WHERE org_id = $1', [
        gone.organization.id,
      ]),
    ).toEqual([]);
  });
});

describe('the test button', () => {
  it('sends its own record, marked, and says that it arrived', async () => {
    const { id } = await create({ ...webhook(), enabled: false });
    const told = expectStatus(await post({}, admin, `/${id}/test`), 200);
    expect(told).toMatchObject({ delivered: true, certainty: 'accepted' });
    const last = receiver.requests.at(-1);
    expect(last?.headers['x-portcullis-test']).toBe('true');
    const event = JSON.parse(last?.body ?? '') as { pos: number; action: string };
    expect(event).toMatchObject({ pos: told.pos, action: 'audit.sink_tested' });
    await drop(id);
  });

  it.each([
    ['a private address', { url: 'https://10.0.0.1/' }, 'target_denied'],
    ['the metadata of a cloud', { url: 'https://169.254.169.254/latest' }, 'target_denied'],
    ['an address in disguise', { url: 'https://[::ffff:10.0.0.1]/' }, 'target_denied'],
    ['a secret that is not there', { hmacKey: 'secret://none#x' }, 'secret_unavailable'],
  ])('says why it did not reach %s', async (_what, settings, code) => {
    const { id } = await create({ ...webhook(settings), enabled: false });
    expect(expectStatus(await post({}, admin, `/${id}/test`), 200)).toMatchObject({ delivered: false, code });
    await drop(id);
  });

  it('answers within ten seconds where the receiver does not', async () => {
    const slow = await HttpReceiver.start(hang);
    const { id } = await create({ ...webhook({ url: slow.url }), enabled: false });
    const told = expectStatus(await post({}, admin, `/${id}/test`), 200);
    expect(told).toMatchObject({ delivered: false, code: 'timeout' });
    expect(told.milliseconds).toBeLessThan(10_000);
    slow.behaviour = answer(302, { location: receiver.url });
    const before = receiver.requests.length;
    expect(expectStatus(await post({}, admin, `/${id}/test`), 200)).toMatchObject({ code: 'redirected' });
    expect(receiver.requests).toHaveLength(before);
    await slow.stop();
    await drop(id);
  });
});

describe('a replay', () => {
  it('is of what was delivered once', async () => {
    const { id } = await create({ ...webhook(), enabled: false });
    expectStatus(await post({ from: 1 }, admin, `/${id}/replay`), 400, 'audit.bad_sink');
    expectStatus(await post({ from: 2, to: 1 }, admin, `/${id}/replay`), 400, 'audit.bad_sink');
    await drop(id);
  });
});

describe('a file sink', () => {
  it('is not for tenants', async () => {
    const file = { name: 'file', kind: 'file', settings: { folder: 'audit' } };
    expectStatus(await post(file), 403, 'audit.file_sinks_closed');
    expectStatus(await post({ ...webhook(), allOrganizations: true }), 400, 'audit.bad_sink');
  });

  it('of the platform has the logs of all organizations, each by itself', async () => {
    product.app.get(SinkRelays).start((error) => product.log.push(`relay: ${String(error)}\n`));
    const file = { name: 'file', kind: 'file', settings: { folder: 'audit' }, allOrganizations: true };
    const { id } = await create(file, platform);
    const orgs = [platform, admin].map(({ organization }) => organization.id);
    const fileOf = (org: string): string => join(dir, 'audit', `${org}.log`);
    await until(async () => orgs.every((org) => existsSync(fileOf(org))));
    await until(async () => {
      const { delivery } = await read(id, platform);
      return delivery.lag === 0 && delivery.acceptedPos > 10;
    });
    for (const org of orgs) {
      const lines = readFileSync(fileOf(org), 'utf8').trimEnd().split('\n');
      const verdict = await verifyExport(lines);
      expect(verdict.problems).toEqual([]);
      expect([...verdict.orgs.keys()]).toEqual([org]);
    }
    await drop(id, platform);
  });
});

describe('two workers', () => {
  it('never deliver one log at once, and what one leaves the other takes up', async () => {
    const tenant = await product.addTenant('two', { ...owner, email: 't@two.example', name: 'Two' });
    const orgId = tenant.organization.id;
    await fillLog(product.database.adminUrl, orgId, 4_000);
    const parts = [
      product.app.get(Database, { strict: false }),
      product.app.get(Clock, { strict: false }),
      product.app.get(SinkConfig, { strict: false }),
      product.app.get(Receivers, { strict: false }),
    ] as const;
    const others = [new SinkRelays(...parts), new SinkRelays(...parts), new SinkRelays(...parts)];
    let under = 0;
    let most = 0;
    const own = await HttpReceiver.start((_request, response) => {
      under += 1;
      most = Math.max(most, under);
      setTimeout(() => {
        under -= 1;
        response.writeHead(204).end();
      }, 30);
    });
    const failures: unknown[] = [];
    for (const one of others) one.start((error) => failures.push(error));
    const { id } = await create(webhook({ url: own.url }), tenant);
    const stopped: Promise<void>[] = [];
    await until(async () => own.requests.length > 2);
    stopped.push(others[0]!.onModuleDestroy(), others[1]!.onModuleDestroy());
    await until(async () => (await read(id, tenant)).delivery.lag === 0);
    stopped.push(others[2]!.onModuleDestroy());
    await Promise.all(stopped);
    expect(failures).toEqual([]);
    expect(most).toBe(1);
    const positions = own.requests.flatMap(({ body }) =>
      body
        .split('\n')
        .filter((line) => line.startsWith('{"action"'))
        .map((line) => (JSON.parse(line) as { pos: number }).pos),
    );
    const first = [...new Set(positions)];
    expect(first).toEqual(first.map((_, n) => n + 1));
    expect(first.length).toBeGreaterThan(4_000);
    await own.stop();
  });
});
