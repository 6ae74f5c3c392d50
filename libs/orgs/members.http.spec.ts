import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';

let app: AppInProcess;
let admin: SignedIn;
let org = '';
let people = 0;

beforeAll(async () => {
  app = await startApp();
  admin = await app.signIn(owner, 'acme');
  org = `/orgs/${admin.organization.id}`;
});
afterAll(() => app.close());

const personOf = (name: string) => ({
  email: `${name}-${(people += 1)}@people.example`,
  name,
  password: `slow green harbour ${name} 4`,
});
const as = ({ accessToken }: SignedIn): { token: string } => ({ token: accessToken });
const add = (email: string, name = 'Somebody'): Promise<Answered> =>
  app.post(`${org}/members`, { email, name, role: 'viewer' }, as(admin));

describe('adding a member', () => {
  it('answers alike for an address with an account and one without', async () => {
    const known = personOf('known');
    await app.addTenant(`tenant-${(people += 1)}`, known);
    const unknown = personOf('unknown');
    const began = Date.now();
    const answers = [await add(known.email, 'Given Name'), await add(unknown.email, 'Given Name')];
    const [one, two] = answers.map((answer) => expectStatus(answer, 201));
    expect(shapeOf(one)).toEqual(shapeOf(two));
    // Whatever is not new each time, or was given, is the same.
    const comparable = ({ user, password, createdAt, passwordExpiresAt, ...rest }: typeof one) => ({
      ...rest,
      name: user.name,
      length: password.length,
      now: Date.parse(createdAt) >= began && Date.parse(createdAt) <= Date.now(),
      days: Math.round((Date.parse(passwordExpiresAt) - Date.now()) / 86_400_000),
    });
    expect(comparable(one)).toEqual(comparable(two));
    expect(comparable(one)).toMatchObject({ name: 'Given Name', now: true });
    expect(answers[0]!.headers['content-length']).toBeDefined();
    // What the answer cannot hide: the id of an account carries when it was made (UUIDv7).
    expect(two.user.id > one.user.id).toBe(true);
  });

  it('leaves an account there is as it was: its name, its password, and the new one opens nothing', async () => {
    const known = personOf('known');
    await app.addTenant(`tenant-${(people += 1)}`, known);
    const { password } = expectStatus(await add(known.email, 'Mallory'), 201);
    const refused = await app.post('/auth/login', { email: known.email, password, organization: 'acme' });
    expectStatus(refused, 401, 'auth.invalid_credentials');
    const signedIn = await app.signIn(known, 'acme');
    expect(signedIn.user.name).toBe(known.name);
  });

  it('gives a new account a password that works once and must be changed', async () => {
    const { email } = personOf('new');
    const { password } = expectStatus(await add(email), 201);
    expectStatus(await app.post('/auth/login', { email, password }), 401, 'auth.password_change_required');
  });
});

describe('the list of members', () => {
  it('is filtered by address, role and status, and a filter finds nobody of another organization', async () => {
    const [ada, bo, other] = [personOf('ada'), personOf('bo'), personOf('other')];
    await app.addTenant(`tenant-${(people += 1)}`, other);
    await app.addMember(admin, ada, 'auditor');
    const boId = await app.addMember(admin, bo, 'auditor');
    const disable = await app.ask('PATCH', `${org}/members/${boId}`, {
      body: { status: 'disabled' },
      ...as(admin),
    });
    expectStatus(disable, 200);
    const emails = async (query: string): Promise<string[]> => {
      const { items } = expectStatus(await app.get(`${org}/members?${query}`, as(admin)), 200);
      return items.map((one: { user: { email: string } }) => one.user.email).sort();
    };
    expect(await emails(`email=${ada.email.toUpperCase()}`)).toEqual([ada.email]);
    expect(await emails('role=auditor')).toEqual([ada.email, bo.email].sort());
    expect(await emails('role=auditor&status=disabled')).toEqual([bo.email]);
    expect(await emails('status=disabled')).toEqual([bo.email]);
    expect(await emails(`email=${other.email}`)).toEqual([]);
    expectStatus(await app.get(`${org}/members?status=gone`, as(admin)), 400);
    // Pages of a filtered list hold what the filter takes, and end.
    const first = expectStatus(await app.get(`${org}/members?role=auditor&limit=1`, as(admin)), 200);
    expect(first.items).toHaveLength(1);
    expect(await emails(`role=auditor&limit=1&cursor=${first.next}`)).toHaveLength(1);
  });
});

describe('whoever leaves or is removed', () => {
  const endings = {
    member_left: (who: SignedIn) => app.post('/auth/leave', undefined, as(who)),
    member_removed: (who: SignedIn) => app.delete(`${org}/members/${who.user.id}`, as(admin)),
  };

  it.each(Object.entries(endings))(
    'takes sessions, keys and service accounts along, each with the cause %s',
    async (reason, end) => {
      const slug = `tenant-${(people += 1)}`;
      const person = personOf('both');
      const elsewhere = await app.addTenant(slug, person);
      await app.addMember(admin, person, 'admin');
      const [here, again] = [await app.signIn(person, 'acme'), await app.signIn(person, 'acme')];
      const own = await app.apiKey(here, { permissions: ['org:read'] });
      const account = expectStatus(
        await app.post(`${org}/service-accounts`, { name: `robot ${reason}` }, as(here)),
        201,
      );
      // The service account is theirs, whoever made a key for it.
      const robot = await app.apiKey(admin, { permissions: ['org:read'], serviceAccountId: account.id });
      const others = await app.apiKey(elsewhere, { permissions: ['org:read'] });
      const began = new Date().toISOString();
      expectStatus(await end(here), 204);
      for (const { accessToken, refreshToken } of [here, again]) {
        expectStatus(await app.get('/auth/me', { token: accessToken }), 401);
        expectStatus(await app.post('/auth/refresh', { refreshToken }), 401, 'auth.invalid_refresh_token');
      }
      expectStatus(await app.get('/auth/me', { token: own.key }), 401, 'auth.invalid_api_key');
      expectStatus(await app.get('/auth/me', { token: robot.key }), 401, 'auth.invalid_api_key');
      expectStatus(await app.post('/auth/login', { ...login(person), organization: 'acme' }), 401);
      // The other organization does not hear of it.
      expectStatus(await app.get('/auth/me', as(elsewhere)), 200);
      expectStatus(await app.get('/auth/me', { token: others.key }), 200);
      expect(await app.records(elsewhere.organization.id, 'member.removed')).toEqual([]);

      const caused = (await app.records(admin.organization.id)).filter(
        (record) => record.reason === reason && record.time >= began,
      );
      const actor = reason === 'member_left' ? here.user.id : admin.user.id;
      const told = caused.filter((record) => record.actor.id === actor);
      expect(told.map((record) => `${record.action} ${record.target.id}`).sort()).toEqual(
        [
          `api_key.revoked ${own.id}`,
          `api_key.revoked ${robot.id}`,
          `member.removed ${here.user.id}`,
          `service_account.deleted ${account.id}`,
          `session.revoked ${again.session.id}`,
          `session.revoked ${here.session.id}`,
        ].sort(),
      );
    },
  );

  it('leaves by a session, not by a key', async () => {
    const { key } = await app.apiKey(admin, { permissions: ['org:read'] });
    expectStatus(await app.post('/auth/leave', undefined, { token: key }), 403, 'auth.sessions_only');
  });

  it('comes back by an invitation, to nothing of what was', async () => {
    const person = personOf('back');
    await app.addTenant(`tenant-${(people += 1)}`, person);
    await app.addMember(admin, person, 'admin');
    const before = await app.signIn(person, 'acme');
    const { key } = await app.apiKey(before, { permissions: ['org:read'] });
    expectStatus(await app.post('/auth/leave', undefined, as(before)), 204);
    await app.addMember(admin, person, 'viewer');
    expectStatus(await app.get('/auth/me', as(before)), 401);
    expectStatus(await app.get('/auth/me', { token: key }), 401);
    expect((await app.signIn(person, 'acme')).organization.slug).toBe('acme');
  });
});

const login = ({ email, password }: { email: string; password: string }): object => ({ email, password });

/** The names and kinds of values, all the way down. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.entries(value).map(([name, one]) => [name, shapeOf(one)]);
}
