import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '#kernel';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';

const people = ['ada', 'ben', 'cleo'].map((name) => ({
  email: `${name}@acme.example`,
  name,
  password: `${name} walks the long way home 7`,
}));
const [ada, ben, cleo] = people as [Person, Person, Person];
type Person = { email: string; name: string; password: string };

let product: AppInProcess;
let admin: SignedIn;
let acme = '';
/** Role ids by name. */
const roles = new Map<string, string>();

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner, 'acme');
  acme = admin.organization.id;
  await product.addMember(admin, ada, 'viewer');
  await product.addMember(admin, ben, 'viewer');
  await product.addMember(admin, cleo, 'auditor');
  const rows = await product.sql('SELECT id, name FROM portcullis.roles WHERE org_id = $1', [acme]);
  for (const { id, name } of rows) roles.set(name, id);
});
beforeEach(async () => {
  await product.change(
    `UPDATE portcullis.sessions SET revoked_at = now(), revoked_reason = 'test' WHERE revoked_at IS NULL`,
  );
  admin = await product.signIn(owner, 'acme');
});
afterAll(() => product.close());

const isLive = async ({ accessToken }: SignedIn): Promise<boolean> =>
  (await product.get('/auth/me', { token: accessToken })).status === 200;
const revoke = (body: unknown, token = admin.accessToken): Promise<Answered> =>
  product.post(`/orgs/${acme}/sessions/revoke`, body, { token });
const from = (person: Person, ip = '127.0.0.1', userAgent = 'test'): Promise<SignedIn> =>
  product.signIn(person, undefined, { ip, headers: { 'user-agent': userAgent } });
const ids = (answer: Answered): string[] =>
  expectStatus(answer, 200).sessions.map(({ id }: { id: string }) => id);

describe('ending sessions by a filter', () => {
  it('ends those it finds and no other, each with its record', async () => {
    const [one, two, other] = [await from(ada), await from(ada), await from(ben)];
    const answer = await revoke({ filter: { userId: one.user.id } });
    expect(expectStatus(answer, 200)).toMatchObject({ matched: 2, revoked: 2 });
    expect(ids(answer)).toEqual([two.session.id, one.session.id]);
    expect(await Promise.all([one, two, other, admin].map(isLive))).toEqual([false, false, true, true]);
    expectStatus(await product.post('/auth/refresh', { refreshToken: one.refreshToken }), 401);
    const ended = ['session.revoked_in_bulk', 'session.revoked'];
    const records = (await product.records(acme)).filter(({ action }) => ended.includes(action));
    const [summary, ...each] = records.slice(-3);
    expect(summary).toMatchObject({
      action: 'session.revoked_in_bulk',
      actor: { id: admin.user.id },
      changes: { userId: { to: one.user.id }, exceptCurrent: { to: true }, count: { to: 2 } },
    });
    for (const record of each)
      expect(record).toMatchObject({ action: 'session.revoked', reason: 'revoked_in_bulk' });
    expect(new Set(each.map(({ target }) => target.id))).toEqual(new Set([one.session.id, two.session.id]));
  });

  /** What each condition finds of the sessions below. */
  const conditions: [string, (made: Record<string, SignedIn>) => object, string[]][] = [
    ['the person', ({ phone }) => ({ userId: phone!.user.id }), ['phone', 'laptop']],
    ['the role', () => ({ roleId: roles.get('auditor') }), ['desk']],
    ['a role nobody has', () => ({ roleId: newId() }), []],
    ['the range of IPv4', () => ({ cidr: '192.0.2.0/24' }), ['laptop', 'office']],
    ['the range of IPv6', () => ({ cidr: '2001:db8:7::/48' }), ['desk']],
    ['one address', () => ({ cidr: '192.0.2.9/32' }), ['office']],
    ['the user agent', () => ({ userAgentContains: 'FIREFOX' }), ['laptop', 'desk']],
    ['a user agent, taken literally', () => ({ userAgentContains: '%' }), ['office']],
    ['the age', ({ office }) => ({ createdBefore: timeOf(office!) }), ['phone', 'laptop']],
    ['the beginning of time', () => ({ createdBefore: '0000-01-01T00:00:00Z' }), []],
    ['the last use', () => ({ lastSeenBefore: ago(10) }), ['laptop', 'office']],
    ['the assurance', () => ({ assurance: 'aal2' }), ['desk']],
    ['the method', () => ({ authMethod: 'otp' }), ['desk']],
    ['a method that all have', () => ({ authMethod: 'pwd' }), ['phone', 'laptop', 'office', 'desk']],
    ['two conditions', () => ({ cidr: '192.0.2.0/24', userAgentContains: 'Firefox' }), ['laptop']],
    [
      'conditions that exclude each other',
      ({ desk }) => ({ cidr: '192.0.2.0/24', userId: desk!.user.id }),
      [],
    ],
  ];
  const ago = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();
  const timeOf = ({ session }: SignedIn): string => (session as unknown as { createdAt: string }).createdAt;

  it.each(conditions)('finds them by %s', async (_what, filterOf, expected) => {
    const made: Record<string, SignedIn> = {
      phone: await from(ada, '2001:db8:8::1', 'Safari/1 (iPhone)'),
      laptop: await from(ada, '192.0.2.7', 'Firefox/128'),
      office: await from(ben, '192.0.2.9', 'odd 100% agent'),
      desk: await from(cleo, '2001:db8:7:1::5', 'Mozilla firefox/127'),
    };
    await product.change(
      `UPDATE portcullis.sessions SET assurance = 'aal2', auth_methods = '{pwd,otp}' WHERE id = $1`,
      [made['desk']!.session.id],
    );
    await product.change(
      `UPDATE portcullis.session_activity SET last_seen_at = now() - interval '20 minutes' WHERE session_id = ANY ($1)`,
      [[made['laptop']!.session.id, made['office']!.session.id]],
    );
    const body = { filter: filterOf(made) };
    const named = (found: string[]): string[] =>
      found.map((id) => Object.keys(made).find((name) => made[name]!.session.id === id) ?? id).sort();
    const tried = await revoke({ ...body, dryRun: true });
    expect(named(ids(tried))).toEqual([...expected].sort());
    expect(expectStatus(tried, 200)).toMatchObject({ matched: expected.length, revoked: 0 });
    for (const one of Object.values(made)) expect(await isLive(one)).toBe(true);
    expect(named(ids(await revoke(body)))).toEqual([...expected].sort());
    for (const [name, one] of Object.entries(made)) expect(await isLive(one)).toBe(!expected.includes(name));
  });

  it('ends all but the session that asks, or that one too', async () => {
    const others = [await from(ada), await from(cleo), await product.signIn(owner, 'acme')];
    expect(expectStatus(await revoke({ filter: {}, all: true }), 200)).toMatchObject({ revoked: 3 });
    expect(await Promise.all([admin, ...others].map(isLive))).toEqual([true, false, false, false]);
    const last = expectStatus(await revoke({ filter: {}, all: true, exceptCurrent: false }), 200);
    expect(last).toMatchObject({
      matched: 1,
      revoked: 1,
      sessions: [{ id: admin.session.id, current: true }],
    });
    expect(await isLive(admin)).toBe(false);
  });

  it('ends nothing of another organization', async () => {
    const elsewhere = await product.signIn(owner, 'platform');
    expectStatus(await revoke({ filter: {}, all: true }), 200);
    expectStatus(await revoke({ filter: { userId: admin.user.id }, exceptCurrent: false }), 200);
    expect(await isLive(elsewhere)).toBe(true);
  });

  it('finds no session that has ended already, by itself or by somebody', async () => {
    const [ended, idle] = [await from(ada), await from(ada)];
    await product.delete(`/auth/sessions/${ended.session.id}`, { token: ended.accessToken });
    await product.change(
      `UPDATE portcullis.session_activity SET last_seen_at = now() - interval '2 hours' WHERE session_id = $1`,
      [idle.session.id],
    );
    const answer = expectStatus(await revoke({ filter: { userId: idle.user.id } }), 200);
    expect(answer).toEqual({ matched: 0, revoked: 0, sessions: [] });
  });

  it('is recorded as tried where nothing was ended, and names no address in clear', async () => {
    const one = await from(ada, '198.51.100.4', 'Curious/1');
    const filter = { cidr: '198.51.100.4/32', userAgentContains: 'Curious' };
    expectStatus(await revoke({ filter, dryRun: true }), 200);
    expect(await isLive(one)).toBe(true);
    const record = (await product.records(acme, 'session.revocation_tried')).at(-1);
    expect(record.changes).toMatchObject({ count: { to: 1 } });
    expect(record.personal['changes.cidr.to'].value).toBe('198.51.100.4/32');
    for (const hidden of ['198.51.100.4', 'Curious']) expect(record.leaf).not.toContain(hidden);
  });

  it.each([
    ['no filter at all', { filter: {} }, 'filter'],
    ['a filter that says nothing, and not all', { filter: {}, all: false }, 'filter'],
    ['all and a filter', { filter: { assurance: 'aal1' }, all: true }, 'filter'],
    ['what is no range', { filter: { cidr: '192.0.2.0' } }, 'filter.cidr'],
  ])('refuses %s', async (_what, body, path) => {
    const one = await from(ada);
    const refused = expectStatus(await revoke(body), 400, 'auth.bad_filter');
    expect(refused.errors).toMatchObject([{ path }]);
    expect(await isLive(one)).toBe(true);
  });

  it.each([
    [{}, 'filter'],
    [{ filter: [] }, 'filter'],
    [{ filter: { userId: 'x' } }, 'filter.userId'],
    [{ filter: { userId: null } }, 'filter.userId'],
    [{ filter: { assurance: 'aal3' } }, 'filter.assurance'],
    [{ filter: { createdBefore: 'yesterday' } }, 'filter.createdBefore'],
    [{ filter: { userid: '1' } }, 'filter.userid'],
    [{ filter: {}, all: 'true' }, 'all'],
  ])('refuses input that is not valid: %j', async (body, path) => {
    const refused = expectStatus(await revoke(body), 400, 'http.invalid_input');
    expect(refused.errors.map((one: { path: string }) => one.path)).toContain(path);
  });

  it('of sessions that two end at once ends each once', async () => {
    const made = await Promise.all(Array.from({ length: 12 }, () => from(ben)));
    const body = { filter: { userId: made[0]!.user.id } };
    const answers = await Promise.all([revoke(body), revoke(body), revoke({ filter: {}, all: true })]);
    const revoked = answers.map((answer) => expectStatus(answer, 200).revoked as number);
    expect(revoked.reduce((sum, count) => sum + count)).toBe(12);
    expect(await Promise.all(made.map(isLive))).toEqual(made.map(() => false));
  });

  it('ends 5,000 in bounded time, the one that asks at last', async () => {
    await seedSessions(admin, 5_000);
    // The newest of them: what goes first, were it not the caller's.
    const { accessToken: token, session } = await product.signIn(owner, 'acme');
    const body = { filter: { userId: admin.user.id }, exceptCurrent: false };
    const live = await product.sql(
      'SELECT id FROM portcullis.sessions WHERE user_id = $1 AND revoked_at IS NULL',
      [admin.user.id],
    );
    const tried = expectStatus(await revoke({ ...body, dryRun: true }, token), 200);
    const before = process.cpuUsage();
    const answer = expectStatus(await revoke(body, token), 200);
    const { user, system } = process.cpuUsage(before);
    console.log(
      `5,000 sessions ended with their records: ${((user + system) / 1000).toFixed(0)} ms of computing`,
    );
    expect(tried.matched).toBe(5_002);
    expect(answer).toMatchObject({ matched: 5_002, revoked: 5_002 });
    expect(answer.sessions).toHaveLength(100);
    expect(answer.sessions[0].id).toBe(session.id);
    const records = await product.records(acme, 'session.revoked');
    const ended = new Set(records.map(({ target }) => target.id));
    expect(live.filter(({ id }) => ended.has(id))).toHaveLength(5_002);
    expect(await isLive(admin)).toBe(false);
    // Of this process. What PostgreSQL takes has its own bound, that of a statement.
    expect(user + system).toBeLessThan(8_000_000);
  });
});

/** Live sessions of somebody who is signed in, as many as said. */
async function seedSessions({ session, user }: SignedIn, count: number): Promise<void> {
  const made = Array.from({ length: count }, () => newId());
  await product.change(
    `INSERT INTO portcullis.sessions (org_id, id, user_id, created_at, expires_at, idle_seconds, auth_methods, assurance)
     SELECT $1, id, $2, now(), now() + interval '1 hour', 3600, '{pwd}', 'aal1' FROM unnest($3::uuid[]) AS id`,
    [session.organizationId, user.id, made],
  );
  await product.change(
    `INSERT INTO portcullis.session_activity (org_id, session_id, last_seen_at)
     SELECT $1, id, now() FROM unnest($2::uuid[]) AS id`,
    [session.organizationId, made],
  );
}
