import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { Passwords } from './passwords.ts';

const FIRST = 'slow green harbour candle 4';
const SECOND = 'nine patient lanterns below';
const gus = { email: 'gus@globex.example', name: 'Gus', password: 'early winter orchard gate 5' };

let product: AppInProcess;
let admin: SignedIn;
let globex: SignedIn;
let count = 0;

interface Person {
  email: string;
  name: string;
  password: string;
  id: string;
}

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  globex = await product.addTenant('globex', gus);
});
afterAll(() => product.close());

/** A new member of acme with a lasting password. */
async function newcomer(role = 'viewer'): Promise<Person> {
  count += 1;
  const person = { email: `person-${count}@acme.example`, name: 'Pat', password: FIRST };
  return { ...person, id: await product.addMember(admin, person, role) };
}

/** The same person in globex too. */
async function joinGlobex({ email, name, password }: Person): Promise<void> {
  const invitation = { email, role: 'viewer' };
  const path = `/orgs/${globex.organization.id}/invitations`;
  const { token } = expectStatus(await product.post(path, invitation, { token: globex.accessToken }), 201);
  expectStatus(await product.post('/auth/invitations/accept', { token, name, password }), 201);
}

const login = (email: string, password: string, organization = 'acme'): Promise<Answered> =>
  product.post('/auth/login', { email, password, organization });
const change = (token: string, body: object): Promise<Answered> =>
  product.post('/auth/password', body, { token });
const isLive = async ({ accessToken }: SignedIn): Promise<boolean> =>
  (await product.get('/auth/me', { token: accessToken })).status === 200;
const startReset = (userId: string, as = admin): Promise<Answered> =>
  product.ask('POST', `/orgs/${as.organization.id}/members/${userId}/password-reset`, {
    token: as.accessToken,
  });
const complete = (token: string, newPassword = SECOND, more: object = {}): Promise<Answered> =>
  product.post('/auth/password/reset/complete', { token, newPassword, ...more });

async function resetToken(userId: string): Promise<string> {
  const { url } = expectStatus(await startReset(userId), 201);
  return new URL(url).hash.slice(1);
}

/** What was refused, and where. */
function reasonsOf(answer: Answered, path = 'newPassword'): string[] {
  const problem = expectStatus(answer, 400, 'auth.password_refused');
  expect(problem.errors.map((error: { path: string }) => error.path)).toEqual(
    problem.data.reasons.map(() => path),
  );
  return problem.data.reasons;
}

describe('a password that somebody chooses', () => {
  it('is judged at an invitation, by the invited address, the name and the organization', async () => {
    const path = `/orgs/${admin.organization.id}/invitations`;
    const invitation = { email: 'wilhelmina@acme.example', role: 'viewer' };
    const as = { token: admin.accessToken };
    const { token } = expectStatus(await product.post(path, invitation, as), 201);
    const accept = (password: string): Promise<Answered> =>
      product.post('/auth/invitations/accept', { token, name: 'Mina Murray', password });
    expect(reasonsOf(await accept('7 chars'), 'password')).toEqual(['too_short']);
    expect(reasonsOf(await accept('x'.repeat(129)), 'password')).toEqual(['too_long']);
    expect(reasonsOf(await accept('Football1'), 'password')).toEqual(['common']);
    expect(reasonsOf(await accept('W1lh3lm1na!'), 'password')).toEqual(['similar']);
    expect(reasonsOf(await accept('murray-acme-99'), 'password')).toEqual(['similar']);
    expectStatus(await accept(' Ünïcode  stays as typed '), 201);
    await product.signIn({ email: invitation.email, password: ' Ünïcode  stays as typed ' });
    for (const other of [
      'Ünïcode  stays as typed',
      ' ünïcode  stays as typed ',
      ' Ünïcode  stays as typed '.normalize('NFD'),
    ]) {
      expectStatus(await login(invitation.email, other), 401, 'auth.invalid_credentials');
    }
  });

  it('is not judged where it is the one the account has', async () => {
    const person = await newcomer();
    const hash = await product.app.get(Passwords, { strict: false }).hash('football1');
    await product.change('UPDATE passwords SET hash = $2 WHERE user_id = $1', [person.id, hash]);
    await joinGlobex({ ...person, password: 'football1' });
    await product.signIn({ ...person, password: 'football1' }, 'globex');
  });

  it('is judged where a one-time password ends, and a refused one costs nothing', async () => {
    const path = `/orgs/${admin.organization.id}/members`;
    const member = { email: 'once@acme.example', name: 'Onno', role: 'viewer' };
    const { password } = expectStatus(await product.post(path, member, { token: admin.accessToken }), 201);
    const refused = expectStatus(await login(member.email, password), 401, 'auth.password_change_required');
    const { id: challengeId } = refused.data.challenge;
    const finish = (newPassword: string): Promise<Answered> =>
      product.post('/auth/password/change-required', { challengeId, newPassword });
    expect(reasonsOf(await finish('qwertyuiop'))).toEqual(['common', 'predictable']);
    const answers = await Promise.all(Array.from({ length: 5 }, () => finish(SECOND)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 401, 401, 401, 401]);
  });
});

describe('a change of the password', () => {
  it('needs the one before, ends the other sessions everywhere, and is recorded everywhere', async () => {
    const person = await newcomer();
    await joinGlobex(person);
    const [mine, other, abroad] = [
      await product.signIn(person, 'acme'),
      await product.signIn(person, 'acme'),
      await product.signIn(person, 'globex'),
    ];
    const body = { currentPassword: FIRST, newPassword: SECOND };
    expectStatus(
      await change(mine.accessToken, { ...body, currentPassword: 'not the one' }),
      403,
      'auth.current_password_wrong',
    );
    expectStatus(
      await change(mine.accessToken, { ...body, newPassword: FIRST }),
      400,
      'auth.password_unchanged',
    );
    expect(reasonsOf(await change(mine.accessToken, { ...body, newPassword: 'globex-globex' }))).toContain(
      'similar',
    );
    expect(await isLive(other)).toBe(true);
    expect(expectStatus(await change(mine.accessToken, body), 200)).toEqual({ revoked: 2 });
    expect([await isLive(mine), await isLive(other), await isLive(abroad)]).toEqual([true, false, false]);
    for (const { refreshToken } of [other, abroad]) {
      expectStatus(await product.post('/auth/refresh', { refreshToken }), 401);
    }
    expectStatus(await login(person.email, FIRST), 401, 'auth.invalid_credentials');
    await product.signIn({ ...person, password: SECOND }, 'globex');
    for (const org of [admin.organization, globex.organization]) {
      const records = await product.records(org.id, 'auth.password_changed');
      expect(records.at(-1)).toMatchObject({ actor: { id: person.id }, target: { id: person.id } });
    }
    const ended = await product.records(globex.organization.id, 'session.revoked');
    expect(ended.at(-1)).toMatchObject({ reason: 'password_changed', target: { id: abroad.session.id } });
  });

  it('leaves the other sessions where that is asked for', async () => {
    const person = await newcomer();
    const [mine, other] = [await product.signIn(person), await product.signIn(person)];
    const body = { currentPassword: FIRST, newPassword: SECOND, endOtherSessions: false };
    expect(expectStatus(await change(mine.accessToken, body), 200)).toEqual({ revoked: 0 });
    expect(await isLive(other)).toBe(true);
  });

  it('is as long as the strictest of one’s organizations asks', async () => {
    const person = await newcomer();
    await joinGlobex(person);
    await product.change(
      `INSERT INTO portcullis.org_policies (org_id, settings) VALUES ($1, '{"password": {"minLength": 40}}')`,
      [globex.organization.id],
    );
    try {
      const { accessToken } = expectStatus(await login(person.email, FIRST), 200);
      const refused = await change(accessToken, { currentPassword: FIRST, newPassword: SECOND });
      expect(expectStatus(refused, 400, 'auth.password_refused').data).toEqual({
        reasons: ['too_short'],
        minLength: 40,
      });
    } finally {
      await product.change('DELETE FROM portcullis.org_policies WHERE org_id = $1', [globex.organization.id]);
    }
  });

  it('is for people, not for API keys', async () => {
    const { key } = await product.apiKey(admin, { permissions: ['org:read'] });
    const body = { currentPassword: owner.password, newPassword: SECOND };
    expectStatus(await change(key, body), 403, 'auth.sessions_only');
  });

  it('of two at once happens once', async () => {
    const person = await newcomer();
    const mine = await product.signIn(person);
    const choices = Array.from({ length: 6 }, (_, n) => `quiet mornings on hill ${n * 37}`);
    const answers = await Promise.all(
      choices.map((newPassword) => change(mine.accessToken, { currentPassword: FIRST, newPassword })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const winner = choices[answers.findIndex(({ status }) => status === 200)]!;
    await product.signIn({ ...person, password: winner });
  });

  it('lets no sign-in through that was verified with the one before', async () => {
    const person = await newcomer();
    const mine = await product.signIn(person);
    const passwords = product.app.get(Passwords, { strict: false });
    const verify = passwords.verify.bind(passwords);
    vi.spyOn(passwords, 'verify').mockImplementationOnce(async (password, stored) => {
      const right = await verify(password, stored);
      // Between the moment the sign-in is verified and the one its session is stored.
      const body = { currentPassword: FIRST, newPassword: SECOND };
      expectStatus(await change(mine.accessToken, body), 200);
      return right;
    });
    expectStatus(await login(person.email, FIRST), 401, 'auth.invalid_credentials');
    const records = await product.records(admin.organization.id, 'auth.sign_in_refused');
    expect(records.at(-1)).toMatchObject({ reason: 'password_changed_meanwhile' });
  });
});

describe('a reset that an admin starts', () => {
  it('gives a link that works once, ends every session, and does not sign in', async () => {
    const person = await newcomer();
    const session = await product.signIn(person);
    const started = expectStatus(await startReset(person.id), 201);
    expect(started).toMatchObject({
      sent: false,
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:8080\/reset-password#pcp_[\w-]{43}$/),
    });
    expect(Date.parse(started.expiresAt) - Date.now()).toBeLessThanOrEqual(3_600_000);
    const token = new URL(started.url).hash.slice(1);
    expect(JSON.stringify(await product.sql('SELECT * FROM portcullis.password_resets'))).not.toContain(
      token,
    );
    expect(product.log.join('')).not.toContain(token);
    // The person's password and sessions are as they were until the link is used.
    expect(await isLive(session)).toBe(true);
    expect(reasonsOf(await complete(token, 'trustno1trustno1'))).toContain('common');
    expect(expectStatus(await complete(token), 200)).toEqual({ revoked: 1 });
    expect(await isLive(session)).toBe(false);
    expectStatus(await complete(token), 401, 'auth.invalid_reset');
    expectStatus(await login(person.email, FIRST), 401);
    await product.signIn({ ...person, password: SECOND });
    const records = await product.records(admin.organization.id);
    const about = records.filter(({ target }) => target.id === person.id).map(({ action }) => action);
    expect(about).toEqual(expect.arrayContaining(['member.password_reset_started', 'auth.password_reset']));
    expect(JSON.stringify(records)).not.toContain(token);
  });

  it('leaves the sessions where the person asks for that', async () => {
    const person = await newcomer();
    const session = await product.signIn(person);
    const done = await complete(await resetToken(person.id), SECOND, { endOtherSessions: false });
    expect(expectStatus(done, 200)).toEqual({ revoked: 0 });
    expect(await isLive(session)).toBe(true);
  });

  it('succeeds once of fifty submits at once', async () => {
    const person = await newcomer();
    const token = await resetToken(person.id);
    const choices = Array.from({ length: 50 }, (_, n) => `seven foxes ran to ${n * 41} hills`);
    const answers = await Promise.all(choices.map((choice) => complete(token, choice)));
    const won = answers.filter(({ status }) => status === 200);
    console.info(`reset links: of 50 submits at once ${won.length} succeeded`);
    expect(won).toHaveLength(1);
    for (const { status } of answers) expect([200, 401, 429]).toContain(status);
    const winner = choices[answers.findIndex(({ status }) => status === 200)]!;
    await product.signIn({ ...person, password: winner });
  });

  it('runs out, and ends when the password changes otherwise', async () => {
    const person = await newcomer();
    const late = await resetToken(person.id);
    await product.change(`UPDATE password_resets SET expires_at = now() WHERE user_id = $1`, [person.id]);
    expectStatus(await complete(late), 401, 'auth.invalid_reset');
    const [one, other] = [await resetToken(person.id), await resetToken(person.id)];
    expectStatus(await complete(one), 200);
    expectStatus(await complete(other), 401, 'auth.invalid_reset');
    expectStatus(await complete('pcp_made-up'), 401, 'auth.invalid_reset');
  });

  it('ends the duty to change a one-time password', async () => {
    const path = `/orgs/${admin.organization.id}/members`;
    const member = { email: 'twice@acme.example', name: 'Twyla', role: 'viewer' };
    const added = expectStatus(await product.post(path, member, { token: admin.accessToken }), 201);
    expectStatus(await complete(await resetToken(added.user.id)), 200);
    await product.signIn({ email: member.email, password: SECOND });
    expectStatus(await login(member.email, added.password), 401, 'auth.invalid_credentials');
  });

  it('is shown to the admin only of a person who is in no other organization', async () => {
    const person = await newcomer();
    await joinGlobex(person);
    expectStatus(await startReset(person.id), 409, 'org.reset_needs_mail');
    expect(
      await product.sql('SELECT 1 FROM portcullis.password_resets WHERE user_id = $1', [person.id]),
    ).toEqual([]);
    await product.change(`UPDATE memberships SET status = 'disabled' WHERE user_id = $1 AND org_id = $2`, [
      person.id,
      globex.organization.id,
    ]);
    expectStatus(await startReset(person.id), 409, 'org.reset_needs_mail');
  });

  it('is not for those who hold more, nor for oneself, nor for strangers', async () => {
    const helper = await newcomer('admin');
    const as = await product.signIn(helper);
    const problem = expectStatus(await startReset(admin.user.id, as), 403, 'org.grant_ceiling');
    expect(problem.data.permission).toBe('org:delete');
    expectStatus(await startReset(helper.id, as), 409, 'org.reset_not_own');
    expectStatus(await startReset(globex.user.id, as), 404, 'org.member_not_found');
    const { key } = await product.apiKey(as, { permissions: ['member:reset-password'] });
    expectStatus(await startReset(helper.id, { ...as, accessToken: key }), 409, 'org.reset_not_own');
  });
});

describe('a reset that a person asks for', () => {
  it('gets the same answer for every address, with and without an account', async () => {
    const person = await newcomer();
    const ask = (email: string): Promise<Answered> => product.post('/auth/password/reset', { email });
    const shape = ({ status, raw, headers }: Answered) => {
      const { 'x-request-id': _id, date: _date, ...kept } = headers;
      return { status, raw: raw.toString(), kept };
    };
    const known = await ask(person.email);
    expect(known.status).toBe(202);
    expect(shape(await ask('nobody@acme.example'))).toEqual(shape(known));
  });
});

describe('a one-time password', () => {
  it('works for seven days, and then is refused as any other', async () => {
    const path = `/orgs/${admin.organization.id}/members`;
    const member = { email: 'late@acme.example', name: 'Lars', role: 'viewer' };
    const added = expectStatus(await product.post(path, member, { token: admin.accessToken }), 201);
    const until = Date.parse(added.passwordExpiresAt);
    expect(Math.abs(until - Date.now() - 7 * 86_400_000)).toBeLessThan(60_000);
    expectStatus(await login(member.email, added.password), 401, 'auth.password_change_required');
    product.clock.advance(until - Date.now() + 1_000);
    try {
      const problem = expectStatus(
        await login(member.email, added.password),
        401,
        'auth.invalid_credentials',
      );
      expect(Object.keys(problem).sort()).toEqual(['code', 'requestId', 'status', 'title', 'type']);
    } finally {
      product.clock.reset();
    }
    const records = await product.records(admin.organization.id, 'auth.sign_in_refused');
    expect(records.at(-1)).toMatchObject({
      reason: 'one_time_password_expired',
      target: { id: added.user.id },
    });
  });
});

describe('the pages', () => {
  it.each(['setup', 'invitation', 'reset-password'])('%s says the rule, and holds no token', async (page) => {
    const answer = await product.app.inject({ method: 'GET', url: `/${page}` });
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toContain('8 to 128 characters');
    expect(answer.body).toContain('no common one');
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
  });
});
