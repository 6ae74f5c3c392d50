import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccessRequest } from '#access';
import { Authenticator } from '#access';
import {
  type Answered,
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';

let product: AppInProcess;
let admin: SignedIn;
let org = '';
let people = 0;

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  org = `/orgs/${admin.organization.id}`;
});
afterAll(() => product.close());

const as = (who: SignedIn): Ask => ({ token: who.accessToken });
const me = (key: string, ask: Ask = {}): Promise<Answered> => product.get('/auth/me', { ...ask, token: key });
const makeKey = (ask: Ask, request: object): Promise<Answered> =>
  product.post(`${org}/api-keys`, { name: 'a key', permissions: ['org:read'], ...request }, ask);
const makeAccount = async (who: SignedIn, name: string): Promise<{ id: string }> =>
  expectStatus(await product.post(`${org}/service-accounts`, { name }, as(who)), 201);
const rotate = (id: string, overlapSeconds: number, ask: Ask = as(admin)): Promise<Answered> =>
  product.post(`${org}/api-keys/${id}/rotate`, { overlapSeconds }, ask);
const records = (action: string) => product.records(admin.organization.id, action);
async function list(query = ''): Promise<Record<string, unknown>[]> {
  return expectStatus(await product.get(`${org}/api-keys?limit=100${query}`, as(admin)), 200).items;
}
async function newPerson(role: string): Promise<SignedIn> {
  people += 1;
  const name = `person${people}`;
  const account = { email: `${name}@acme.example`, name, password: `quiet ${name} harbour candle 4` };
  await product.addMember(admin, account, role);
  return product.signIn(account);
}
const days = (iso: string): number => (Date.parse(iso) - Date.now()) / 86_400_000;

describe('the end of an API key', () => {
  it('comes in ninety days where nobody said when, and never where that was said', async () => {
    const usual = expectStatus(await makeKey(as(admin), {}), 201);
    expect(days(usual.expiresAt)).toBeCloseTo(90, 2);
    const endless = expectStatus(await makeKey(as(admin), { expiresAt: null }), 201);
    expect(endless.expiresAt).toBeNull();
    const created = (await records('api_key.created')).slice(-2);
    expect(created.map(({ changes }) => changes.expiresAt.to)).toEqual([usual.expiresAt, null]);
  });

  it('comes for the secret before a rotation too, however long that overlaps', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const { id } = expectStatus(await makeKey(as(admin), { expiresAt }), 201);
    expectStatus(await rotate(id, 30 * 86_400), 200);
    const [row] = await product.sql('SELECT previous_until FROM portcullis.api_keys WHERE id = $1', [id]);
    expect(row!['previous_until'].toISOString()).toBe(expiresAt);
  });

  it.each(['leaked', 'superseded', 'unused', 'owner_left', 'other'])('has a reason: %s', async (reason) => {
    const { id, key } = expectStatus(await makeKey(as(admin), {}), 201);
    expectStatus(await product.delete(`${org}/api-keys/${id}?reason=${reason}`, as(admin)), 204);
    expectStatus(await me(key), 401, 'auth.invalid_api_key');
    expect((await records('api_key.revoked')).at(-1)).toMatchObject({ target: { id }, reason });
    expect((await list('&revoked=true'))[0]).toMatchObject({ id, revokedReason: reason });
  });

  it('is shown in a list of its own, with its time; without a reason the admin’s wish is it', async () => {
    const { id } = expectStatus(await makeKey(as(admin), {}), 201);
    expect((await list())[0]).toMatchObject({ id, revokedAt: null, revokedReason: null });
    const began = Date.now();
    expectStatus(await product.delete(`${org}/api-keys/${id}`, as(admin)), 204);
    const [over] = await list('&revoked=true');
    expect(over).toMatchObject({ id, revokedReason: 'revoked_by_admin' });
    expect(Date.parse(String(over!['revokedAt']))).toBeGreaterThanOrEqual(began);
    expect(Date.parse(String(over!['revokedAt']))).toBeLessThanOrEqual(Date.now());
    for (const query of ['', '&revoked=false']) {
      expect((await list(query)).map((one) => one['id'])).not.toContain(id);
    }
    const unknown = await product.delete(`${org}/api-keys/${id}?reason=because`, as(admin));
    expectStatus(unknown, 400, 'http.invalid_input');
  });
});

describe('an API key with a list of addresses', () => {
  it('is refused where the address is unknown or cannot be read, also when it is remembered', async () => {
    const { key } = expectStatus(await makeKey(as(admin), { allowedCidrs: ['0.0.0.0/0', '::/0'] }), 201);
    const authenticator = product.app.get(Authenticator, { strict: false });
    const from = async (ip: string | undefined): Promise<string> => {
      const request = {
        headers: { 'x-api-key': key },
        params: {},
        connection: {},
        facts: { id: 'x', method: 'GET', route: '/', ...(ip !== undefined && { ip }) },
      } as AccessRequest;
      try {
        return (await authenticator.authenticate(request)).kind;
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    for (const ip of [undefined, '', 'unknown', '192.0.2', '192.0.2.1, 10.0.0.1', '/var/run/x.sock']) {
      expect(await from(ip), String(ip)).toBe('auth.invalid_api_key');
    }
    expect(await from('192.0.2.1')).toBe('api_key');
    expect(await from(undefined)).toBe('auth.invalid_api_key');
  });
});

describe('a key that makes keys', () => {
  const maker = async (request: object): Promise<{ id: string; key: string; expiresAt: string }> =>
    expectStatus(await makeKey(as(admin), { permissions: ['org:read', 'key:write'], ...request }), 201);

  it('makes none that lives longer or works from more addresses', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const { key } = await maker({ expiresAt, allowedCidrs: ['192.0.2.0/24'] });
    const by: Ask = { token: key, ip: '192.0.2.1' };
    const made = expectStatus(await makeKey(by, {}), 201);
    expect(made).toMatchObject({ expiresAt, allowedCidrs: ['192.0.2.0/24'], ownerId: admin.user.id });
    expectStatus(await makeKey(by, { allowedCidrs: ['192.0.2.7/32'] }), 201);
    for (const [request, limit] of [
      [{ expiresAt: null }, 'expiresAt'],
      [{ expiresAt: new Date(Date.now() + 7_200_000).toISOString() }, 'expiresAt'],
      [{ allowedCidrs: [] }, 'allowedCidrs'],
      [{ allowedCidrs: ['192.0.0.0/16'] }, 'allowedCidrs'],
    ] as const) {
      expect(expectStatus(await makeKey(by, request), 403, 'org.beyond_maker').data).toEqual({ limit });
    }
  });

  it('gets no secret of one that does', async () => {
    const { key } = await maker({ expiresAt: new Date(Date.now() + 3_600_000).toISOString() });
    const longer = expectStatus(await makeKey(as(admin), {}), 201);
    expectStatus(await rotate(longer.id, 0, { token: key }), 403, 'org.beyond_maker');
    expectStatus(await me(longer.key), 200);
  });

  it('may rotate itself', async () => {
    const { id, key } = await maker({ expiresAt: new Date(Date.now() + 3_600_000).toISOString() });
    const { key: next } = expectStatus(await rotate(id, 0, { token: key }), 200);
    expectStatus(await me(key), 401);
    expectStatus(await me(next), 200);
  });

  it('ends with the keys it made or rotated, and with no others', async () => {
    const { id, key } = await maker({});
    const made = expectStatus(await makeKey({ token: key }, {}), 201);
    const [rotated, taken, other] = [
      expectStatus(await makeKey(as(admin), {}), 201),
      expectStatus(await makeKey(as(admin), {}), 201),
      expectStatus(await makeKey(as(admin), {}), 201),
    ];
    // Made an hour after the maker they would live longer; so they are made to end sooner.
    await product.change(`UPDATE api_keys SET expires_at = now() + interval '1 day' WHERE id = ANY ($1)`, [
      [rotated.id, taken.id],
    ]);
    const secret = expectStatus(await rotate(rotated.id, 0, { token: key }), 200).key;
    expectStatus(await rotate(taken.id, 0, { token: key }), 200);
    // A person rotated it again: the maker does not know this secret.
    const taken2 = expectStatus(await rotate(taken.id, 0), 200).key;
    expectStatus(await product.delete(`${org}/api-keys/${id}?reason=leaked`, as(admin)), 204);
    for (const over of [key, made.key, secret]) expectStatus(await me(over), 401, 'auth.invalid_api_key');
    for (const live of [taken2, other.key]) expectStatus(await me(live), 200);
  });

  it('that ends while it makes a key takes that key with it', async () => {
    for (let turn = 0; turn < 10; turn += 1) {
      const { id, key } = await maker({});
      const making = Array.from({ length: 6 }, () => makeKey({ token: key }, {}));
      const [ended, ...made] = await Promise.all([
        product.delete(`${org}/api-keys/${id}`, as(admin)),
        ...making,
      ]);
      expectStatus(ended, 204);
      for (const { status, body } of made) {
        expect([201, 401, 404]).toContain(status);
        if (status === 201) expectStatus(await me(body.key), 401, 'auth.invalid_api_key');
      }
    }
  });
});

describe('what a member answers for', () => {
  it('ends when they are removed: keys, service accounts, and the keys that others made for those', async () => {
    const leaving = await newPerson('admin');
    const own = expectStatus(await makeKey(as(leaving), {}), 201);
    const account = await makeAccount(leaving, 'pipeline');
    const serviceAccountId = account.id;
    const theirs = expectStatus(await makeKey(as(leaving), { serviceAccountId }), 201);
    const byAdmin = expectStatus(await makeKey(as(admin), { serviceAccountId }), 201);
    const other = expectStatus(await makeKey(as(admin), {}), 201);
    for (const { key } of [own, theirs, byAdmin]) expectStatus(await me(key), 200);
    expectStatus(await product.delete(`${org}/members/${leaving.user.id}`, as(admin)), 204);
    for (const { key } of [own, theirs, byAdmin]) expectStatus(await me(key), 401, 'auth.invalid_api_key');
    expectStatus(await me(other.key), 200);
    const ended = (await records('api_key.revoked')).slice(-3);
    expect(new Set(ended.map(({ target }) => target.id))).toEqual(new Set([own.id, theirs.id, byAdmin.id]));
    expect(new Set(ended.map(({ reason }) => reason))).toEqual(new Set(['member_removed']));
    expect((await records('service_account.deleted')).at(-1)).toMatchObject({
      target: { id: account.id },
      reason: 'member_removed',
      actor: { id: admin.user.id },
    });
    const accounts = expectStatus(await product.get(`${org}/service-accounts`, as(admin)), 200);
    expect(JSON.stringify(accounts)).not.toContain(account.id);
  });

  it('loses its keys when the membership is disabled; the account stays, to be handed over', async () => {
    const leaving = await newPerson('admin');
    const account = await makeAccount(leaving, 'nightly');
    const byAdmin = expectStatus(await makeKey(as(admin), { serviceAccountId: account.id }), 201);
    const body = { status: 'disabled' };
    expectStatus(
      await product.ask('PATCH', `${org}/members/${leaving.user.id}`, { ...as(admin), body }),
      200,
    );
    expectStatus(await me(byAdmin.key), 401, 'auth.invalid_api_key');
    const path = `${org}/service-accounts/${account.id}`;
    expectStatus(await product.ask('PATCH', path, { ...as(admin), body: { ownerId: admin.user.id } }), 200);
  });
});

describe('a service account that is handed over', () => {
  const handOver = (who: SignedIn, id: string, ownerId: string): Promise<Answered> =>
    product.ask('PATCH', `${org}/service-accounts/${id}`, { ...as(who), body: { ownerId } });

  it('lives on with its keys when the one before leaves', async () => {
    const leaving = await newPerson('admin');
    const account = await makeAccount(leaving, 'deploy');
    const { key } = expectStatus(await makeKey(as(leaving), { serviceAccountId: account.id }), 201);
    const after = expectStatus(await handOver(admin, account.id, admin.user.id), 200);
    expect(after).toMatchObject({ id: account.id, ownerId: admin.user.id });
    expect((await records('service_account.updated')).at(-1)).toMatchObject({
      target: { type: 'service_account', id: account.id },
      changes: { ownerId: { from: leaving.user.id, to: admin.user.id } },
    });
    expectStatus(await product.delete(`${org}/members/${leaving.user.id}`, as(admin)), 204);
    expect(expectStatus(await me(key), 200).user.id).toBe(admin.user.id);
  });

  it('goes to nobody who does not hold what its keys may do', async () => {
    const account = await makeAccount(admin, 'reader');
    const viewer = await newPerson('viewer');
    const request = { serviceAccountId: account.id, permissions: ['member:read'] };
    const { key } = expectStatus(await makeKey(as(admin), request), 201);
    const refused = expectStatus(await handOver(admin, account.id, viewer.user.id), 409, 'org.owner_lacks');
    expect(refused.data).toEqual({ permission: 'member:read' });
    expect(expectStatus(await me(key), 200).user.id).toBe(admin.user.id);
  });

  it('is given by nobody who does not hold it', async () => {
    const account = await makeAccount(admin, 'destroyer');
    const lesser = await newPerson('admin');
    const request = { serviceAccountId: account.id, permissions: ['org:delete'] };
    expectStatus(await makeKey(as(admin), request), 201);
    const refused = expectStatus(await handOver(lesser, account.id, admin.user.id), 403, 'org.grant_ceiling');
    expect(refused.data).toEqual({ permission: 'org:delete' });
  });

  it('goes to active members alone', async () => {
    const account = await makeAccount(admin, 'orphan');
    const disabled = await newPerson('admin');
    const body = { status: 'disabled' };
    const member = `${org}/members/${disabled.user.id}`;
    expectStatus(await product.ask('PATCH', member, { ...as(admin), body }), 200);
    for (const ownerId of [disabled.user.id, account.id]) {
      const problem = expectStatus(await handOver(admin, account.id, ownerId), 400, 'org.bad_owner');
      expect(problem.errors[0].path).toBe('ownerId');
    }
    expectStatus(
      await handOver(admin, disabled.user.id, admin.user.id),
      404,
      'org.service_account_not_found',
    );
  });
});
