import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';

const ada = { email: 'ada@acme.example', name: 'Ada', password: 'slow green harbour candle 4' };
const bo = { email: 'bo@acme.example', name: 'Bo', password: 'hollow silver meadow wind 7' };

let product: AppInProcess;
let admin: SignedIn;
let org = '';

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  org = `/orgs/${admin.organization.id}`;
  await product.addMember(admin, ada, 'admin');
  await product.addMember(admin, bo, 'admin');
});
afterAll(() => product.close());

const as = (who: SignedIn): Ask => ({ token: who.accessToken });
const me = (key: string, ask: Ask = {}): Promise<Answered> => product.get('/auth/me', { ...ask, token: key });
const makeKey = (who: SignedIn, request: object): Promise<Answered> =>
  product.post(`${org}/api-keys`, { name: 'a key', ...request }, as(who));

describe('an API key', () => {
  it('is taken from either header, and from no two at once', async () => {
    const { key } = await product.apiKey(admin, { permissions: ['org:read'] });
    const header = (headers: Record<string, string>): Promise<Answered> =>
      product.get('/auth/me', { headers });
    expectStatus(await header({ authorization: `Bearer ${key}` }), 200);
    const { user } = expectStatus(await header({ 'x-api-key': key }), 200);
    expect(user).toMatchObject({ id: admin.user.id, name: admin.user.name });
    const both = await header({ authorization: `Bearer ${key}`, 'x-api-key': key });
    expectStatus(both, 401, 'auth.credential_missing');
    const mixed = { authorization: `Bearer ${admin.accessToken}`, 'x-api-key': key };
    expectStatus(await header(mixed), 401, 'auth.credential_missing');
    expectStatus(await header({ authorization: `Basic ${key}` }), 401, 'auth.credential_missing');
    expectStatus(await header({}), 401, 'auth.credential_missing');
  });

  it('is shown once and stored as a digest', async () => {
    const { id, key } = await product.apiKey(admin, { permissions: ['org:read'] });
    const list = expectStatus(await product.get(`${org}/api-keys`, as(admin)), 200);
    expect(list.items.map((one: { id: string }) => one.id)).toContain(id);
    expect(JSON.stringify(list)).not.toContain(key.slice(-30));
    const rows = await product.sql('SELECT * FROM portcullis.api_keys');
    expect(JSON.stringify(rows)).not.toContain(key.slice(-30));
  });

  it('with a wrong secret is refused like one that never was', async () => {
    const { key } = await product.apiKey(admin, { permissions: ['org:read'] });
    const made = await product.apiKey(admin, { permissions: ['org:read'] });
    // The right id with the secret of another key; the checksum no longer fits.
    const crossed = key.slice(0, 37) + made.key.slice(37);
    for (const wrong of [crossed, `${key}0`, key.slice(0, -1)]) expect((await me(wrong)).status).toBe(401);
  });

  it('may do what it was given, and no more', async () => {
    const { key } = await product.apiKey(admin, { permissions: ['session:read', 'org:read'] });
    expectStatus(await product.get(`${org}/sessions`, { token: key }), 200);
    const problem = expectStatus(await product.get(`${org}/members`, { token: key }), 403, 'access.denied');
    expect(problem.data).toEqual({ permission: 'member:read' });
    expect(expectStatus(await me(key), 200).permissions).toEqual(['org:read', 'session:read']);
  });

  it('never does more than its owner may at that moment', async () => {
    const owned = await product.signIn(ada);
    const { key } = await product.apiKey(owned, { permissions: ['member:read', 'org:read'] });
    expectStatus(await product.get(`${org}/members`, { token: key }), 200);
    const role = (name: string): Promise<Answered> =>
      product.ask('PATCH', `${org}/members/${owned.user.id}`, { ...as(admin), body: { role: name } });
    expectStatus(await role('viewer'), 200);
    expectStatus(await product.get(`${org}/members`, { token: key }), 403, 'access.denied');
    expect(expectStatus(await me(key), 200).permissions).toEqual(['org:read']);
    expectStatus(await role('admin'), 200);
    expectStatus(await product.get(`${org}/members`, { token: key }), 200);
  });

  it('ends with its owner’s membership, at once and for good', async () => {
    const owned = await product.signIn(bo);
    const { id, key } = await product.apiKey(owned, { permissions: ['org:read'] });
    expectStatus(await me(key), 200);
    const member = `${org}/members/${owned.user.id}`;
    expectStatus(await product.ask('PATCH', member, { ...as(admin), body: { status: 'disabled' } }), 200);
    expectStatus(await me(key), 401, 'auth.invalid_api_key');
    expectStatus(await product.ask('PATCH', member, { ...as(admin), body: { status: 'active' } }), 200);
    expectStatus(await me(key), 401, 'auth.invalid_api_key');
    const records = await product.records(admin.organization.id, 'api_key.revoked');
    expect(records.at(-1)).toMatchObject({ target: { id }, reason: 'membership_disabled' });
  });

  it('works from the addresses on its list, and from anywhere without one', async () => {
    const allowedCidrs = ['192.0.2.0/24', '2001:db8:1::/48'];
    const { id, key } = await product.apiKey(admin, { permissions: ['org:read'], allowedCidrs });
    for (const ip of ['192.0.2.1', '192.0.2.255', '2001:db8:1::7', '::ffff:192.0.2.9']) {
      expectStatus(await me(key, { ip }), 200);
    }
    for (const ip of ['192.0.3.1', '127.0.0.1', '2001:db8:2::7', '::1', '::ffff:198.51.100.1']) {
      expectStatus(await me(key, { ip }), 401, 'auth.invalid_api_key');
    }
    // Also once it is remembered as good, and the other way round.
    expectStatus(await me(key, { ip: '192.0.2.1' }), 200);
    const records = await product.records(admin.organization.id, 'access.denied');
    expect(records.findLast(({ reason }) => reason === 'address_not_allowed')).toMatchObject({
      actor: { id },
      outcome: 'denied',
    });
  });

  it.each([
    [
      'a list that is no list of addresses',
      { allowedCidrs: ['192.0.2.0/24', 'nonsense'] },
      'org.bad_cidr',
      'allowedCidrs[1]',
    ],
    ['a mask that is too long', { allowedCidrs: ['192.0.2.0/33'] }, 'org.bad_cidr', 'allowedCidrs[0]'],
    ['an expiry that is over', { expiresAt: '2020-01-01T00:00:00Z' }, 'org.bad_expiry', 'expiresAt'],
    [
      'a permission that there is not',
      { permissions: ['org:read', 'org:own'] },
      'org.unknown_permission',
      'permissions[1]',
    ],
    [
      'a permission of the platform',
      { permissions: ['org:create'] },
      'org.unknown_permission',
      'permissions[0]',
    ],
    ['no permission', { permissions: [] }, 'http.invalid_input', 'permissions'],
  ])('is not made with %s', async (_what, request, code, path) => {
    const problem = expectStatus(await makeKey(admin, { permissions: ['org:read'], ...request }), 400, code);
    expect(problem.errors.map((error: { path: string }) => error.path)).toEqual([path]);
  });

  it('is over at its expiry, also where it is remembered', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const { key } = await product.apiKey(admin, { permissions: ['org:read'], expiresAt });
    expectStatus(await me(key), 200);
    product.clock.advance(3_601_000);
    expectStatus(await me(key), 401, 'auth.invalid_api_key');
    product.clock.reset();
    await product.change(
      `UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE expires_at IS NOT NULL`,
    );
    expectStatus(await me(key), 401, 'auth.invalid_api_key');
  });

  it('is rotated with an overlap in which both secrets work, then only the new one', async () => {
    const { id, key: before } = await product.apiKey(admin, { permissions: ['org:read'] });
    const rotate = async (overlapSeconds: number): Promise<string> =>
      expectStatus(await product.post(`${org}/api-keys/${id}/rotate`, { overlapSeconds }, as(admin)), 200)
        .key;
    expectStatus(await me(before), 200);
    const next = await rotate(600);
    for (const key of [before, next]) expectStatus(await me(key), 200);
    product.clock.advance(601_000);
    expectStatus(await me(before), 401, 'auth.invalid_api_key');
    expectStatus(await me(next), 200);
    product.clock.reset();
    const last = await rotate(0);
    for (const key of [before, next]) expectStatus(await me(key), 401, 'auth.invalid_api_key');
    expectStatus(await me(last), 200);
  });

  it('is revoked for every secret it has', async () => {
    const { id, key: before } = await product.apiKey(admin, { permissions: ['org:read'] });
    const rotated = await product.post(`${org}/api-keys/${id}/rotate`, { overlapSeconds: 600 }, as(admin));
    const { key: next } = expectStatus(rotated, 200);
    for (const key of [before, next]) expectStatus(await me(key), 200);
    expectStatus(await product.delete(`${org}/api-keys/${id}`, as(admin)), 204);
    for (const key of [before, next]) expectStatus(await me(key), 401, 'auth.invalid_api_key');
    expectStatus(await product.delete(`${org}/api-keys/${id}`, as(admin)), 404, 'org.key_not_found');
    const again = await product.post(`${org}/api-keys/${id}/rotate`, { overlapSeconds: 0 }, as(admin));
    expectStatus(again, 404, 'org.key_not_found');
  });

  it('of a service account ends with it', async () => {
    const account = expectStatus(
      await product.post(`${org}/service-accounts`, { name: 'ci' }, as(admin)),
      201,
    );
    const { key } = await product.apiKey(admin, { permissions: ['org:read'], serviceAccountId: account.id });
    expectStatus(await me(key), 200);
    expectStatus(await product.delete(`${org}/service-accounts/${account.id}`, as(admin)), 204);
    expectStatus(await me(key), 401, 'auth.invalid_api_key');
  });
});

describe('nobody gives what they do not hold', () => {
  const ceiling = (answer: Answered, permission?: string): void => {
    const problem = expectStatus(answer, 403, 'org.grant_ceiling');
    if (permission !== undefined) expect(problem.data).toEqual({ permission });
  };
  const role = (who: SignedIn, name: string, permissions: string[]): Promise<Answered> =>
    product.post(`${org}/roles`, { name, permissions }, as(who));

  it('in a key, a role, an invitation, a membership', async () => {
    const lesser = await product.signIn(ada);
    ceiling(await makeKey(lesser, { permissions: ['org:read', 'org:delete'] }), 'org:delete');
    ceiling(await role(lesser, 'destroyer', ['org:delete']), 'org:delete');
    const invitation = { email: 'x@acme.example', role: 'owner' };
    ceiling(await product.post(`${org}/invitations`, invitation, as(lesser)));
    ceiling(await product.post(`${org}/members`, { ...invitation, name: 'X' }, as(lesser)));
    const self = `${org}/members/${lesser.user.id}`;
    ceiling(await product.ask('PATCH', self, { ...as(lesser), body: { role: 'owner' } }));
    expect(await product.sql(`SELECT 1 FROM portcullis.users WHERE email = 'x@acme.example'`)).toEqual([]);
  });

  it('nor takes it away from those who hold more', async () => {
    const lesser = await product.signIn(ada);
    const above = `${org}/members/${admin.user.id}`;
    const second = await product.addMember(admin, { ...bo, email: 'second@acme.example' }, 'owner');
    ceiling(await product.ask('PATCH', above, { ...as(lesser), body: { role: 'viewer' } }));
    ceiling(await product.ask('PATCH', above, { ...as(lesser), body: { status: 'disabled' } }));
    ceiling(await product.delete(above, as(lesser)));
    expectStatus(await product.delete(`${org}/members/${second}`, as(admin)), 204);
  });

  it('by changing a role that exists', async () => {
    const lesser = await product.signIn(ada);
    const made = expectStatus(await role(lesser, 'reader', ['org:read']), 201);
    const path = `${org}/roles/${made.id}`;
    ceiling(
      await product.ask('PATCH', path, { ...as(lesser), body: { permissions: ['org:delete'] } }),
      'org:delete',
    );
    expectStatus(
      await product.ask('PATCH', path, { ...as(admin), body: { permissions: ['org:delete'] } }),
      200,
    );
    // Now it is above them: they neither add to it, nor take from it, nor delete it.
    for (const permissions of [['org:delete', 'org:read'], ['org:read'], []]) {
      ceiling(await product.ask('PATCH', path, { ...as(lesser), body: { permissions } }), 'org:delete');
    }
    ceiling(await product.delete(path, as(lesser)), 'org:delete');
  });

  it('by a key: it gives no more than it may itself', async () => {
    const { key } = await product.apiKey(admin, { permissions: ['key:write', 'org:read'] });
    const request = { name: 'child', permissions: ['member:read'] };
    ceiling(await product.post(`${org}/api-keys`, request, { token: key }), 'member:read');
    const allowed = { name: 'child', permissions: ['org:read'] };
    expectStatus(await product.post(`${org}/api-keys`, allowed, { token: key }), 201);
  });
});

describe('the last owner', () => {
  const self = (): string => `${org}/members/${admin.user.id}`;

  it('can be neither removed, nor disabled, nor made something less', async () => {
    expectStatus(await product.delete(self(), as(admin)), 409, 'org.last_owner');
    for (const body of [{ role: 'admin' }, { status: 'disabled' }]) {
      expectStatus(await product.ask('PATCH', self(), { ...as(admin), body }), 409, 'org.last_owner');
    }
    expectStatus(await product.get('/auth/me', as(admin)), 200);
  });

  it('is still one when the other owner is disabled', async () => {
    const other = { ...bo, email: 'third@acme.example' };
    const id = await product.addMember(admin, other, 'owner');
    const path = `${org}/members/${id}`;
    expectStatus(await product.ask('PATCH', path, { ...as(admin), body: { status: 'disabled' } }), 200);
    expectStatus(await product.delete(self(), as(admin)), 409, 'org.last_owner');
    expectStatus(await product.delete(path, as(admin)), 204);
  });

  it('stays when two owners leave at the same moment', async () => {
    const other = { ...bo, email: 'fourth@acme.example' };
    await product.addMember(admin, other, 'owner');
    const second = await product.signIn(other);
    const answers = await Promise.all([
      product.delete(`${org}/members/${second.user.id}`, as(second)),
      product.ask('PATCH', self(), { ...as(admin), body: { role: 'admin' } }),
    ]);
    const owners = await product.sql(
      `SELECT m.user_id FROM portcullis.memberships m JOIN portcullis.roles r ON r.id = m.role_id
        WHERE m.org_id = $1 AND r.built_in = 'owner' AND m.status = 'active'`,
      [admin.organization.id],
    );
    expect(owners.length).toBeGreaterThanOrEqual(1);
    expect(answers.filter(({ status }) => status < 300).length).toBeLessThanOrEqual(1);
    for (const { status } of answers) expect(status).toBeLessThan(500);
  });
});
