import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database, InvalidationStream } from '#database';
import { Capabilities } from '#events';
import { newId } from '#kernel';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';

let product: AppInProcess;
let admin: SignedIn;
let stream: InvalidationStream;
/** What another process knows. */
let replica: Capabilities;
let name = '';
let names = 0;

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner, 'acme');
  stream = new InvalidationStream(product.database.urls.system, product.clock);
  replica = new Capabilities(product.app.get(Database), stream);
  replica.onModuleInit();
  stream.start();
  await until(async () => stream.isFresh);
});
afterAll(async () => {
  await stream.stop();
  await product.close();
});
beforeEach(() => {
  names += 1;
  name = `capability-${names}`;
});

const post = (rest: string, body: object, who = admin): Promise<Answered> =>
  product.post(`/orgs/${who.organization.id}/capabilities${rest}`, body, { token: who.accessToken });
const get = (rest: string, who = admin): Promise<Answered> =>
  product.get(`/orgs/${who.organization.id}/capabilities${rest}`, { token: who.accessToken });
const manifest = (changes: object = {}) => ({
  name,
  version: '1.0.0',
  product: 'ops',
  owner: 'team-ops',
  provides: [],
  requires: [],
  permissions: ['org:read'],
  tools: [`${name}-tool`],
  commands: [],
  ...changes,
});
const propose = async (changes: object = {}, who = admin) =>
  expectStatus(await post('', manifest(changes), who), 201);
const step = async (id: string, verb: string, body: object = {}) =>
  expectStatus(await post(`/${id}/${verb}`, body), 200);
const activate = async (changes: object = {}): Promise<string> => {
  const { id } = await propose(changes);
  await step(id, 'admit');
  await step(id, 'activate');
  return id;
};
const inEach = (): Promise<boolean[]> =>
  Promise.all(
    [product.app.get(Capabilities), replica].map((one) => one.isActive(admin.organization.id, name)),
  );

describe('a capability', () => {
  it('is proposed, admitted, activated, quarantined and revoked, and each step is told', async () => {
    const { id, digest, state } = await propose({ provides: [{ contract: 'blob', version: '1.2.0' }] });
    expect(state).toBe('proposed');
    expect(await inEach()).toEqual([false, false]);
    expect(await step(id, 'admit', { digest })).toMatchObject({ state: 'admitted', problems: [] });
    expect(await step(id, 'activate')).toMatchObject({ state: 'active' });
    expect(await inEach()).toEqual([true, true]);
    expect(await step(id, 'quarantine', { reason: 'leaks' })).toMatchObject({ state: 'quarantined' });
    expectStatus(await post(`/${id}/activate`, {}), 409, 'capabilities.wrong_state');
    expect(await step(id, 'revoke', { reason: 'for good' })).toMatchObject({ state: 'revoked' });
    for (const verb of ['admit', 'activate', 'quarantine', 'revoke']) {
      const body = verb === 'quarantine' || verb === 'revoke' ? { reason: 'again' } : {};
      expectStatus(await post(`/${id}/${verb}`, body), 409, 'capabilities.wrong_state');
    }
    const { items } = expectStatus(await get(`/${id}/history`), 200);
    expect(items.map(({ action, to }: { action: string; to: string }) => `${action} ${to}`)).toEqual([
      'revoke revoked',
      'quarantine quarantined',
      'activate active',
      'admit admitted',
      'propose proposed',
    ]);
    const records = (await product.records(admin.organization.id)).filter((one) => one.target.id === id);
    expect(records.map(({ action }) => action)).toEqual([
      'capability.proposed',
      'capability.admitted',
      'capability.activated',
      'capability.quarantined',
      'capability.revoked',
    ]);
    const events = expectStatus(
      await product.get(`/orgs/${admin.organization.id}/events?limit=1000`, { token: admin.accessToken }),
      200,
    );
    const told = events.items.filter(({ subject }: { subject: string }) => subject === `capability/${id}`);
    expect(told.map(({ type }: { type: string }) => type)).toEqual(
      records.map(({ action }) => `portcullis.${action}`),
    );
  });

  it('that is quarantined is inactive in every process when that answers', async () => {
    for (let round = 0; round < 5; round += 1) {
      const id = await activate({ version: `1.0.${round}` });
      expect(await inEach()).toEqual([true, true]);
      expectStatus(await post(`/${id}/quarantine`, { reason: 'now' }), 200);
      expect(await inEach()).toEqual([false, false]);
    }
  });

  it('is inactive where that cannot be known', async () => {
    await activate();
    const unknown = new Capabilities(
      { alone: () => ({ prepared: () => Promise.reject(new Error('down')) }) } as unknown as Database,
      stream,
    );
    expect(await unknown.isActive(admin.organization.id, name)).toBe(false);
    expect(await replica.isActive(admin.organization.id, 'never-heard-of')).toBe(false);
    expect(await replica.isActive(newId(), name)).toBe(false);
    expect(await replica.isActive('no id', name)).toBe(false);
  });

  it('has one active version; the next one takes its place in one step', async () => {
    const first = await activate();
    const second = await activate({ version: '2.0.0' });
    const states = await Promise.all(
      [first, second].map(async (id) => expectStatus(await get(`/${id}`), 200).state),
    );
    expect(states).toEqual(['admitted', 'active']);
    expect(await inEach()).toEqual([true, true]);
  });

  it('is admitted only where nothing stands against it, which a dry run tells and changes nothing', async () => {
    const { id } = await propose({
      requires: [{ contract: 'nobody.keeps', range: '^1.0.0' }],
      permissions: ['org:read', 'org:create', 'no:such'],
    });
    const tried = await step(id, 'admit?dryRun=true');
    expect(tried).toMatchObject({ dryRun: true, state: 'proposed' });
    expect(tried.problems.map(({ code }: { code: string }) => code)).toEqual([
      'permission_unknown',
      'permission_unknown',
      'requirement_unmet',
    ]);
    const refused = expectStatus(await post(`/${id}/admit`, {}), 409, 'capabilities.not_admissible');
    expect(refused.data.problems).toEqual(tried.problems);
    expect(expectStatus(await get(`/${id}`), 200).state).toBe('proposed');
  });

  it('is not admitted by who holds less than it asks for', async () => {
    const role = { name: `admitter ${names}`, permissions: ['capability:admit', 'capability:read'] };
    const path = `/orgs/${admin.organization.id}/roles`;
    expectStatus(await product.post(path, role, { token: admin.accessToken }), 201);
    const person = { ...owner, email: `admitter${names}@acme.example`, name: 'Admitter' };
    const roles = expectStatus(await product.get(path, { token: admin.accessToken }), 200);
    const roleId = roles.items.find((one: { name: string }) => one.name === role.name).id as string;
    const invited = expectStatus(
      await product.post(
        `/orgs/${admin.organization.id}/invitations`,
        { email: person.email, roleId },
        { token: admin.accessToken },
      ),
      201,
    );
    const accepted = { token: invited.token, name: person.name, password: person.password };
    expectStatus(await product.post('/auth/invitations/accept', accepted), 201);
    const admitter = await product.signIn(person, 'acme');
    const { id } = await propose({ permissions: ['secret:reveal'] });
    const refused = expectStatus(
      await post(`/${id}/admit`, {}, admitter),
      409,
      'capabilities.not_admissible',
    );
    expect(refused.data.problems).toMatchObject([{ code: 'permission_not_held' }]);
  });

  it('is admitted as the manifest that was looked at', async () => {
    const { id, digest } = await propose();
    const other = digest.replace(/^./, digest.startsWith('0') ? '1' : '0');
    expectStatus(await post(`/${id}/admit`, { digest: other }), 409, 'capabilities.other_manifest');
  });

  it('has one manifest a version, and is nobody else’s', async () => {
    const { id } = await propose();
    expectStatus(await post('', manifest({ owner: 'another-team' })), 409, 'capabilities.exists');
    const platform = await product.signIn(owner, 'platform');
    expectStatus(await get(`/${id}`, platform), 404, 'capabilities.not_found');
    expectStatus(await post(`/${id}/admit`, {}, platform), 404, 'capabilities.not_found');
  });

  it('with a manifest that says nothing sound is refused by field', async () => {
    const wrong = manifest({ version: '1', requires: [{ contract: 'a', range: 'soon' }] });
    const { errors } = expectStatus(await post('', wrong), 400, 'capabilities.bad_manifest');
    expect(errors.map(({ path }: { path: string }) => path)).toEqual(['version', 'requires[0].range']);
  });

  it('shows who depends on it', async () => {
    const keeper = await activate({ provides: [{ contract: `blob-${names}`, version: '1.0.0' }] });
    const contract = `blob-${names}`;
    name = `${name}-user`;
    await activate({ requires: [{ contract, range: '^1.0.0' }] });
    expect(expectStatus(await get(`/${keeper}`), 200).dependents).toEqual([name]);
  });

  it('ends with its organization', async () => {
    const other = await product.addTenant(`gone-${names}`, { ...owner, email: `gone${names}@x.example` });
    const { id } = await propose({}, other);
    for (const verb of ['admit', 'activate']) expectStatus(await post(`/${id}/${verb}`, {}, other), 200);
    expect(await replica.isActive(other.organization.id, name)).toBe(true);
    const platform = await product.signIn(owner, 'platform');
    const path = `/orgs/${other.organization.id}/suspend`;
    expect((await product.post(path, {}, { token: platform.accessToken })).status).toBeLessThan(300);
    expect(await replica.isActive(other.organization.id, name)).toBe(false);
  });
});
