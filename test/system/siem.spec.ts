import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SinkConfig, SinkRelays } from '#audit';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../kit/app-in-process.ts';
import { type Certificates, makeCertificates } from '../kit/certificates.ts';
import { fillLog } from '../kit/long-log.ts';
import { HeldSecrets, quick } from '../kit/sinks.ts';
import { type Daemon, daemonMissing, SyslogDaemon } from '../kit/syslog-daemon.ts';
import { verifyExport } from './verify-export.ts';

const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'portcullis-siem-'));
  chmodSync(made, 0o755);
  folders.push(made);
  return made;
};
const folders: string[] = [];

function isWhole(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

const recipes: [Daemon, string][] = [
  ['rsyslog', 'push-tls'],
  ['rsyslog', 'push-tcp'],
  ['syslog-ng', 'push-tls'],
  ['syslog-ng', 'push-tcp'],
];

/** Real daemons, run from the documentation's own recipes; what they wrote must prove itself. */
describe.each(recipes)('%s by the recipe %s', (daemon, recipe) => {
  const missing = daemonMissing(daemon, recipe);
  if (missing !== undefined) console.warn(`skipped: ${missing}`);
  let product: AppInProcess;
  let admin: SignedIn;
  let orgId = '';
  let certificates: Certificates;
  let receiver: SyslogDaemon;
  let sinkId = '';

  beforeAll(async () => {
    if (missing !== undefined) return;
    const dir = folder();
    certificates = makeCertificates(dir);
    receiver = await SyslogDaemon.start(daemon, recipe, folder(), dir);
    product = await startApp({
      sinks: new SinkConfig(undefined, quick),
      egressAllow: ['127.0.0.0/8'],
      sinkSecrets: new HeldSecrets({ 'secret://siem/client#key': certificates.read('client.key') }),
    });
    product.app.get(SinkRelays).start((error) => product.log.push(`relay: ${String(error)}\n`));
    admin = await product.addTenant('siem', { ...owner, email: 'o@siem.example', name: 'Tilda Ünicode' });
    orgId = admin.organization.id;
    await fillLog(product.database.adminUrl, orgId, 2_000);
  });
  afterEach(() => expect(product?.log.filter((line) => line.startsWith('relay:'))).toEqual([]));
  afterAll(async () => {
    await product?.close();
    await receiver?.end();
    for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
  });

  const token = (): { token: string } => ({ token: admin.accessToken });
  const settings = (): object =>
    recipe === 'push-tls'
      ? {
          host: 'localhost',
          port: receiver.port,
          ca: certificates.ca,
          clientCertificate: certificates.read('client.pem'),
          clientKey: 'secret://siem/client#key',
        }
      : { host: '127.0.0.1', port: receiver.port, tls: false };
  const create = async (given: object, more: object = {}): Promise<string> => {
    const body = { name: `sink ${Math.random()}`, kind: 'syslog', settings: given, ...more };
    return expectStatus(await product.post(`/orgs/${orgId}/audit/sinks`, body, token()), 201).id;
  };
  // oxlint-disable-next-line typescript/no-explicit-any
  const read = async (id: string): Promise<any> =>
    expectStatus(await product.get(`/orgs/${orgId}/audit/sinks/${id}`, token()), 200);
  const act = async (name = `Tenant ${Math.random()}`): Promise<void> => {
    expectStatus(await product.ask('PATCH', `/orgs/${orgId}`, { ...token(), body: { name } }), 200);
  };
  const drained = (id: string) =>
    until(async () => {
      const { delivery } = await read(id);
      return delivery.lag === 0 && delivery;
    });
  /** Each position once, in the order in which each first arrived. Lines that are no JSON are not counted. */
  const arrived = (): string[] => {
    const seen = new Set<string>();
    return receiver
      .lines(orgId)
      .filter(isWhole)
      .filter((line) => !line.includes('"checkpoint":') && !seen.has(line) && seen.add(line));
  };
  /** How many lines are of positions, each as often as it was written. */
  const positions = (): number =>
    receiver.lines(orgId).filter((line) => !line.includes('"checkpoint":')).length;
  const torn = (): string[] => receiver.lines(orgId).filter((line) => !isWhole(line));
  const arrivedUpTo = (head: number) => until(async () => arrived().length >= head);

  it.skipIf(missing !== undefined)('receives what proves itself', async () => {
    sinkId = await create(settings());
    await act('Name with "quotes" ] and \\ and ünïcode 漢字');
    const delivery = await drained(sinkId);
    expect(delivery.writtenPos).toBe(delivery.headPos);
    expect(delivery).not.toHaveProperty('acceptedPos');
    await arrivedUpTo(delivery.headPos);
    const verdict = await verifyExport(arrived());
    expect(verdict.problems).toEqual([]);
    expect(verdict.orgs.get(orgId)?.lastPos).toBe(delivery.headPos);
  });

  it.skipIf(missing !== undefined)(
    'is killed in mid-flight, and ends with every position, in order',
    async () => {
      const { headPos: before } = await drained(sinkId);
      // Fewer than are sent again after a broken connection: what a receiver had beyond them is gone with it.
      await fillLog(product.database.adminUrl, orgId, 900);
      await until(async () => (await read(sinkId)).delivery.writtenPos > before + 500);
      await receiver.end('SIGKILL');
      await act();
      await until(async () => (await read(sinkId)).delivery.failures > 0);
      await receiver.begin();
      await act();
      const { headPos } = await drained(sinkId);
      await arrivedUpTo(headPos);
      expect((await verifyExport(arrived())).problems).toEqual([]);
      // A killed daemon may leave the line it was writing, with the first one after its start behind it.
      expect(torn().length).toBeLessThanOrEqual(1);
    },
  );

  it.skipIf(missing !== undefined)('sends nothing twice where the connection ended in order', async () => {
    await drained(sinkId);
    const patch = (enabled: boolean) =>
      product.ask('PATCH', `/orgs/${orgId}/audit/sinks/${sinkId}`, { ...token(), body: { enabled } });
    expectStatus(await patch(false), 200);
    const settled = `SELECT settled_pos >= delivered_pos AS done FROM portcullis.audit_sink_state
                      WHERE sink_id = $1 AND lease_owner IS NULL`;
    await until(async () => (await product.sql(settled, [sinkId]))[0]?.['done']);
    const [{ delivered_pos: had } = {}] = await product.sql(
      'SELECT delivered_pos FROM portcullis.audit_sink_state WHERE sink_id = $1',
      [sinkId],
    );
    // The daemon has what was sent, and may not have written all of it yet.
    await arrivedUpTo(Number(had));
    const before = positions();
    expectStatus(await patch(true), 200);
    const { headPos } = await drained(sinkId);
    await arrivedUpTo(headPos);
    expect(positions() - before).toBe(headPos - Number(had));
  });

  it.skipIf(missing !== undefined)('cuts what is too long, and says so', async () => {
    const id = await create({ ...settings(), maxFrame: 2_048 }, { filter: { actions: ['org.updated'] } });
    for (const one of ['漢', '字']) await act(one.repeat(200));
    await drained(id);
    await until(
      async () => receiver.lines(orgId).some((line) => /^\{"action":"org.updated".*[^}]$/.test(line)),
      20_000,
    );
    expectStatus(await product.delete(`/orgs/${orgId}/audit/sinks/${id}`, token()), 204);
  });

  it.runIf(missing === undefined && recipe === 'push-tls')(
    'is refused without the right certificates',
    async () => {
      const { ca: _, ...publicOnly } = settings() as Record<string, unknown>;
      const { clientCertificate: __, clientKey: ___, ...anonymous } = settings() as Record<string, unknown>;
      for (const given of [publicOnly, anonymous, { ...settings(), serverName: 'other.example' }]) {
        const id = await create(given);
        const { lastError } = await until(async () => {
          const { delivery } = await read(id);
          return delivery.lastError && delivery;
        });
        expect(lastError.code).not.toBe('');
        expect((await read(id)).delivery.writtenPos).toBe(0);
        expectStatus(await product.delete(`/orgs/${orgId}/audit/sinks/${id}`, token()), 204);
      }
    },
  );
});
