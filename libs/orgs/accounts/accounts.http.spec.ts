import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';

let app: AppInProcess;
let operator: SignedIn;
let admin: SignedIn;
let people = 0;

beforeAll(async () => {
  app = await startApp();
});
beforeEach(async () => {
  operator = await app.signIn(owner, 'platform');
  admin = await app.signIn(owner, 'acme');
});
afterAll(() => app.close());

const personOf = (name: string) => ({
  email: `${name}-${(people += 1)}@people.example`,
  name,
  password: `slow green harbour ${name} 4`,
});
const as = ({ accessToken }: SignedIn): { token: string } => ({ token: accessToken });
const set = (id: string, status: string, who = operator): Promise<Answered> =>
  app.ask('PATCH', `/users/${id}`, { body: { status }, ...as(who) });

describe('an account', () => {
  it('is found by its address, by operators of the platform only', async () => {
    const person = personOf('Ada');
    const { organization, user } = await app.addTenant(`tenant-${(people += 1)}`, person);
    const { items } = expectStatus(
      await app.get(`/users?email=${person.email.toUpperCase()}`, as(operator)),
      200,
    );
    expect(items).toMatchObject([
      {
        id: user.id,
        email: person.email.toLowerCase(),
        name: 'Ada',
        status: 'active',
        organizations: [{ id: organization.id, slug: organization.slug }],
      },
    ]);
    expect(
      expectStatus(await app.get('/users?email=nobody@people.example', as(operator)), 200).items,
    ).toEqual([]);
    expect(expectStatus(await app.get('/users?limit=1', as(operator)), 200)).toMatchObject({
      items: [{ id: user.id }],
      next: expect.any(String) as string,
    });
    expectStatus(await app.get('/users', as(admin)), 403, 'access.denied');
    expectStatus(await set(user.id, 'disabled', admin), 403, 'access.denied');
  });

  it('that is disabled is refused everywhere at once, and every organization reads why', async () => {
    const person = personOf('both');
    const slug = `tenant-${(people += 1)}`;
    const there = await app.addTenant(slug, person);
    await app.addMember(admin, person, 'admin');
    const here = await app.signIn(person, 'acme');
    const key = await app.apiKey(here, { permissions: ['org:read'] });
    const { status } = expectStatus(await set(here.user.id, 'disabled'), 200);
    expect(status).toBe('disabled');
    for (const { accessToken, refreshToken } of [here, there]) {
      expectStatus(await app.get('/auth/me', { token: accessToken }), 401);
      expectStatus(await app.post('/auth/refresh', { refreshToken }), 401);
    }
    expectStatus(await app.get('/auth/me', { token: key.key }), 401);
    const { email, password } = person;
    expectStatus(await app.post('/auth/login', { email, password, organization: slug }), 401);
    expectStatus(await app.post('/auth/login', { email, password: 'wrong', organization: slug }), 401);

    for (const [orgId, session] of [
      [admin.organization.id, here.session.id],
      [there.organization.id, there.session.id],
    ] as const) {
      const records = await app.records(orgId);
      const said = { actor: { id: operator.user.id }, target: { id: here.user.id } };
      expect(records.filter(({ action }) => action === 'user.disabled')).toMatchObject([said]);
      const ended = records.filter(({ reason }) => reason === 'account_disabled');
      expect(ended.map(({ target }) => target.id)).toContain(session);
    }
    const told = (await app.records(operator.organization.id, 'user.disabled')).at(-1);
    expect(told.target.id).toBe(here.user.id);
    expect(told.leaf).not.toContain(person.email);
  });

  it('that is enabled again begins anew: no session, key or half sign-in comes back', async () => {
    const { email, name } = personOf('half');
    const path = `/orgs/${admin.organization.id}/members`;
    const added = expectStatus(await app.post(path, { email, name, role: 'admin' }, as(admin)), 201);
    const half = await app.post('/auth/login', { email, password: added.password });
    const { data } = expectStatus(half, 401, 'auth.password_change_required');
    expectStatus(await set(added.user.id, 'disabled'), 200);
    expectStatus(await set(added.user.id, 'active'), 200);
    const change = { challengeId: data.challenge.id, newPassword: 'hollow silver meadow wind 7' };
    const answer = await app.post('/auth/password/change-required', change);
    expectStatus(answer, 401, 'auth.invalid_challenge');

    const person = personOf('whole');
    await app.addMember(admin, person, 'admin');
    const before = await app.signIn(person);
    const key = await app.apiKey(before, { permissions: ['org:read'] });
    expectStatus(await set(before.user.id, 'disabled'), 200);
    // As a sign-in would leave it that had read the account before it was disabled.
    await app.change(
      `UPDATE portcullis.sessions SET revoked_at = NULL, revoked_reason = NULL WHERE id = $1`,
      [before.session.id],
    );
    expectStatus(await app.get('/auth/me', as(before)), 401);
    expectStatus(await set(before.user.id, 'active'), 200);
    expectStatus(await app.get('/auth/me', as(before)), 401);
    expectStatus(await app.post('/auth/refresh', { refreshToken: before.refreshToken }), 401);
    expectStatus(await app.get('/auth/me', { token: key.key }), 401);
    expectStatus(await app.get('/auth/me', as(await app.signIn(person))), 200);
  });

  it('that is in that state already is left alone, without a record', async () => {
    const { user } = await app.addTenant(`tenant-${(people += 1)}`, personOf('idle'));
    const before = (await app.records(operator.organization.id, 'user.enabled')).length;
    expectStatus(await set(user.id, 'active'), 200);
    expect((await app.records(operator.organization.id, 'user.enabled')).length).toBe(before);
  });

  it('of one’s own, of the last owner of the platform, and of nobody, is not disabled', async () => {
    expectStatus(await set(operator.user.id, 'disabled'), 409, 'org.own_account');
    expectStatus(await set('01999999-9999-7999-8999-999999999999', 'disabled'), 404, 'org.user_not_found');
    const person = personOf('everything');
    const { permissions } = expectStatus(await app.get('/auth/me', as(operator)), 200);
    const role = { name: `everything ${(people += 1)}`, permissions };
    expectStatus(await app.post(`/orgs/${operator.organization.id}/roles`, role, as(operator)), 201);
    await app.addMember(operator, person, role.name);
    const other = await app.signIn(person, 'platform');
    expectStatus(await set(operator.user.id, 'disabled', other), 409, 'org.last_owner');
  });

  it('of an operator who holds more is not disabled by one who holds less', async () => {
    const [lesser, greater] = [personOf('lesser'), personOf('greater')];
    await app.addMember(operator, lesser, 'admin');
    const greaterId = await app.addMember(operator, greater, 'owner');
    const by = await app.signIn(lesser, 'platform');
    expectStatus(await set(greaterId, 'disabled', by), 403, 'org.grant_ceiling');
    expectStatus(await set(greaterId, 'disabled'), 200);
    expectStatus(await set(greaterId, 'active', by), 403, 'org.grant_ceiling');
  });

  it('is disabled by who proved themselves just now, and by no key', async () => {
    const { user } = await app.addTenant(`tenant-${(people += 1)}`, personOf('late'));
    const { key } = await app.apiKey(operator, { permissions: ['user:update'] });
    const body = { status: 'disabled' };
    expectStatus(
      await app.ask('PATCH', `/users/${user.id}`, { body, token: key }),
      403,
      'auth.sessions_only',
    );
    app.clock.advance(301_000);
    try {
      const { accessToken } = expectStatus(
        await app.post('/auth/refresh', { refreshToken: operator.refreshToken }),
        200,
      );
      const late = await app.ask('PATCH', `/users/${user.id}`, { body, token: accessToken });
      expectStatus(late, 401, 'auth.step_up_required');
    } finally {
      app.clock.reset();
    }
  });
});
