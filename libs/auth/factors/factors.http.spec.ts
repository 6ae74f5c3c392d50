import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { FactorPerson, ORIGIN } from '../../../test/kit/factor-people.ts';

let app: AppInProcess;
let admin: SignedIn;

beforeAll(async () => {
  app = await startApp({ publicUrl: ORIGIN });
});
beforeEach(async () => {
  await app.change('DELETE FROM portcullis.org_policies');
  await app.forgetAttempts();
  admin = await app.signIn(owner);
});
afterAll(() => app.close());

const join = (name: string): Promise<FactorPerson> => FactorPerson.join(app, admin, name);
const setMfa = (mfa: string, orgId = admin.organization.id) =>
  app.change(`INSERT INTO portcullis.org_policies VALUES ($1, $2)`, [orgId, JSON.stringify({ mfa })]);
/** Makes every proof of a session older than any route takes. */
const age = (sessionId: string) =>
  app.change(
    `UPDATE sessions SET password_at = password_at - interval '1 hour', factor_at = factor_at - interval '1 hour'
      WHERE id = $1`,
    [sessionId],
  );
const stepUp = (person: FactorPerson, body: object): Promise<Answered> => person.post('/auth/step-up', body);
const refusedStepUp = async (answer: Answered) =>
  expectStatus(answer, 401, 'auth.step_up_required').data.challenge;
const remove = (person: FactorPerson, id: string, query = ''): Promise<Answered> =>
  app.delete(`/auth/factors/${id}${query}`, { token: person.token });

describe('a person’s own factors', () => {
  it('are listed without any secret, and recorded when they come and go', async () => {
    const ada = await join('ada');
    await ada.addTotp();
    await ada.addPasskey();
    const own = expectStatus(await ada.get('/auth/factors'), 200);
    expect(own).toMatchObject({
      items: [
        { kind: 'totp', name: 'Authenticator app' },
        { kind: 'passkey', name: 'Passkey', aaguid: '00000000-0000-0000-0000-000000000000' },
      ],
      recoveryCodesLeft: 10,
      passkeysAvailable: true,
    });
    expect(JSON.stringify(own)).not.toContain(ada.secret);
    const added = await app.records(admin.organization.id, 'auth.factor_added');
    expect(added.at(-1)).toMatchObject({
      actor: { id: ada.id },
      target: { id: ada.id },
      changes: { kind: { to: 'passkey' } },
    });
    const [row] = await app.sql(
      `SELECT string_agg(f::text, '') AS factors,
              (SELECT string_agg(r::text, '') FROM portcullis.recovery_codes r) AS codes,
              (SELECT string_agg(c::text, '') FROM portcullis.challenges c) AS challenges
         FROM portcullis.factors f`,
    );
    const leaf = JSON.stringify([row, await app.records(admin.organization.id), app.log]);
    for (const secret of [ada.secret, ...ada.recoveryCodes]) expect(leaf).not.toContain(secret);
  });

  it('raise the session that adds them, and its next token says so', async () => {
    const ada = await join('bea');
    expect(ada.session.session).toMatchObject({ assurance: 'aal1' });
    const added = await ada.addTotp();
    expect(added.session).toMatchObject({
      authMethods: ['pwd', 'otp', 'mfa'],
      assurance: 'aal2',
      current: true,
    });
    const me = expectStatus(await ada.get('/auth/me'), 200);
    expect(me.session).toMatchObject({ assurance: 'aal2' });
    const refreshed = expectStatus(
      await app.post('/auth/refresh', { refreshToken: ada.session.refreshToken }),
      200,
    );
    const claims = JSON.parse(Buffer.from(refreshed.accessToken.split('.')[1], 'base64url').toString());
    expect(claims).toMatchObject({ amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' });
    const [{ factor_at: factorAt } = {}] = await app.sql(
      'SELECT factor_at FROM portcullis.sessions WHERE id = $1',
      [ada.session.session.id],
    );
    expect(claims.auth_time).toBe(Math.floor(factorAt.getTime() / 1_000));
  });

  it('are confirmed by the session that began, once, within five tries', async () => {
    const ada = await join('cleo');
    const begun = expectStatus(await ada.post('/auth/factors/totp'), 200);
    ada.secret = begun.totp.secret;
    const other = (await app.signIn(ada.account)).accessToken;
    const confirm = (code: string, token = ada.token) =>
      app.post('/auth/factors/totp/confirm', { challengeId: begun.challengeId, code }, { token });
    expectStatus(await confirm(ada.code(), other), 401, 'auth.invalid_challenge');
    for (let n = 0; n < 3; n += 1) expectStatus(await confirm(ada.wrongCode()), 401, 'auth.factor_refused');
    const code = ada.code();
    const both = await Promise.all([confirm(code), confirm(code)]);
    expect(both.filter(({ status }) => status === 201)).toHaveLength(1);
    expectStatus(await confirm(ada.code()), 401, 'auth.invalid_challenge');
    expect(expectStatus(await ada.get('/auth/factors'), 200).items).toHaveLength(1);
  });

  it('end other sessions where that is asked for', async () => {
    const ada = await join('dora');
    const other = await app.signIn(ada.account);
    const begun = expectStatus(await ada.post('/auth/factors/totp'), 200);
    ada.secret = begun.totp.secret;
    const confirm = { challengeId: begun.challengeId, code: ada.code(), endOtherSessions: true };
    expect(expectStatus(await ada.post('/auth/factors/totp/confirm', confirm), 201).revoked).toBe(1);
    expectStatus(await app.get('/auth/me', { token: other.accessToken }), 401, 'auth.session_ended');
    expectStatus(await ada.get('/auth/me'), 200);
  });

  it('are nothing for an API key', async () => {
    const { key } = await app.apiKey(admin, { permissions: ['org:read'] });
    for (const [method, path] of [
      ['GET', '/auth/factors'],
      ['POST', '/auth/factors/totp'],
      ['POST', '/auth/factors/recovery-codes'],
    ] as const) {
      expectStatus(await app.ask(method, path, { token: key }), 403, 'auth.sessions_only');
    }
  });
});

describe('recovery codes', () => {
  it('are made anew, and those before work no more', async () => {
    const ada = await join('emma');
    expectStatus(await ada.post('/auth/factors/recovery-codes'), 404, 'auth.factor_not_found');
    await ada.addTotp();
    const { recoveryCodes } = expectStatus(await ada.post('/auth/factors/recovery-codes'), 200);
    expect(recoveryCodes).toHaveLength(10);
    const { id: challengeId } = await ada.challenge();
    const old = { challengeId, method: 'recovery_code', code: ada.recoveryCodes[0] };
    expectStatus(await ada.verify(old), 401, 'auth.factor_refused');
    expectStatus(await ada.verify({ ...old, code: recoveryCodes[0] }), 200);
  });
});

describe('a fresh proof', () => {
  it('is the password, for who has no factor; the same token goes on', async () => {
    const ada = await join('faye');
    await age(ada.session.session.id);
    const challenge = await refusedStepUp(await ada.post('/auth/factors/totp'));
    expect(challenge).toMatchObject({ methods: ['password'], expiresIn: 600 });
    const answer = { challengeId: challenge.id, method: 'password' };
    expectStatus(await stepUp(ada, { ...answer, password: 'wrong wrong' }), 401, 'auth.factor_refused');
    const { password } = ada.account;
    const { session } = expectStatus(await stepUp(ada, { ...answer, password }), 200);
    expect(session).toMatchObject({ id: ada.session.session.id, authMethods: ['pwd'] });
    expectStatus(await stepUp(ada, { ...answer, password }), 401, 'auth.invalid_challenge');
    await ada.addTotp();
    const records = await app.records(admin.organization.id);
    expect(records.some((one) => one.action === 'auth.stepped_up' && one.actor.id === ada.id)).toBe(true);
    const refused = records.filter((one) => one.action === 'auth.step_up_refused' && one.actor.id === ada.id);
    expect(refused.map(({ reason }) => reason)).toEqual(['wrong_password']);
  });

  it('is the factor, never the password, for who has one; also in a session from before', async () => {
    const ada = await join('hana');
    const older = await app.signIn(ada.account);
    await ada.addTotp();
    // The older session knows the password alone, however fresh that is.
    const refused = await app.ask('POST', '/auth/factors/recovery-codes', { token: older.accessToken });
    const challenge = await refusedStepUp(refused);
    expect(challenge.methods).toEqual(['totp', 'recovery_code']);
    const answer = { challengeId: challenge.id, method: 'password', password: ada.account.password };
    const as = { token: older.accessToken };
    expectStatus(await app.post('/auth/step-up', answer, as), 400, 'auth.method_not_offered');
    // A challenge is its session's.
    const code = ada.code();
    const foreign = { challengeId: challenge.id, method: 'totp', code };
    expectStatus(await stepUp(ada, foreign), 401, 'auth.invalid_challenge');
    const raised = expectStatus(await app.post('/auth/step-up', foreign, as), 200);
    expect(raised.session).toMatchObject({ id: older.session.id, authMethods: ['pwd', 'otp', 'mfa'] });
    expectStatus(await app.ask('POST', '/auth/factors/recovery-codes', as), 200);
    await age(older.session.id);
    await refusedStepUp(await app.ask('POST', '/auth/factors/recovery-codes', as));
  });

  it('by a passkey is given with its options', async () => {
    const ada = await join('iris');
    await ada.addPasskey();
    await age(ada.session.session.id);
    const challenge = await refusedStepUp(await ada.post('/auth/factors/recovery-codes'));
    expect(challenge.methods).toEqual(['passkey', 'recovery_code']);
    const assertion = ada.authenticator.sign(challenge.passkey);
    const answer = { challengeId: challenge.id, method: 'passkey', assertion };
    expect(expectStatus(await stepUp(ada, answer), 200).session.authMethods).toEqual([
      'pwd',
      'hwk',
      'user',
      'mfa',
    ]);
    expectStatus(await ada.post('/auth/factors/recovery-codes'), 200);
  });

  it('is guessed at no more often than at sign-in', async () => {
    const ada = await join('jill');
    await ada.addTotp();
    for (let n = 0; n < 5; n += 1) {
      await age(ada.session.session.id);
      const { id: challengeId } = await refusedStepUp(await ada.post('/auth/factors/recovery-codes'));
      const guess = { challengeId, method: 'totp', code: ada.wrongCode() };
      expectStatus(await stepUp(ada, guess), 401, 'auth.factor_refused');
    }
    const { id: challengeId } = await refusedStepUp(await ada.post('/auth/factors/recovery-codes'));
    const right = { challengeId, method: 'totp', code: ada.code() };
    expectStatus(await stepUp(ada, right), 429, 'auth.too_many_requests');
  });

  it('that a policy asks for is led to the enrolment where there is no factor', async () => {
    const ada = await join('kate');
    await setMfa('required');
    const org = `/orgs/${admin.organization.id}`;
    expect((await refusedStepUp(await ada.get(org))).methods).toEqual(['enroll_passkey', 'enroll_totp']);
    await age(ada.session.session.id);
    const challenge = await refusedStepUp(await ada.get(org));
    expect(challenge.methods).toEqual(['password', 'enroll_passkey', 'enroll_totp']);
    // The enrolment itself asks for the password first.
    const asked = await refusedStepUp(await ada.post('/auth/factors/totp'));
    const { password } = ada.account;
    expectStatus(await stepUp(ada, { challengeId: asked.id, method: 'password', password }), 200);
    await ada.addTotp();
    expectStatus(await ada.get(org), 200);
  });

  it('of passkeys only is not given by a code', async () => {
    const ada = await join('lena');
    await ada.addTotp();
    await ada.addPasskey();
    await ada.signIn();
    const org = `/orgs/${admin.organization.id}`;
    expectStatus(await ada.get(org), 200);
    await setMfa('phishing-resistant');
    const challenge = await refusedStepUp(await ada.get(org));
    expect(challenge.methods).toEqual(['passkey']);
    const code = { challengeId: challenge.id, method: 'totp', code: ada.code() };
    expectStatus(await stepUp(ada, code), 400, 'auth.method_not_offered');
    const assertion = ada.authenticator.sign(challenge.passkey);
    expectStatus(await stepUp(ada, { challengeId: challenge.id, method: 'passkey', assertion }), 200);
    expectStatus(await ada.get(org), 200);
  });
});

describe('removing a factor', () => {
  it('T15: ends what stands on it and by default everything else, in every organization, but not the session that asks', async () => {
    const ada = await join('mona');
    await ada.addTotp();
    const gus = { email: 'gus-mona@x.example', name: 'Gus', password: 'early winter orchard gate 5' };
    const globex = await app.addTenant('globex', gus);
    await app.addMember(globex, ada.account, 'viewer');
    const login = async (organization: string): Promise<SignedIn> => {
      const answer = await ada.login({ organization });
      const { id: challengeId } = expectStatus(answer, 401, 'auth.mfa_required').data.challenge;
      return expectStatus(await ada.verify({ challengeId, method: 'totp', code: ada.code() }), 200);
    };
    const [here, there] = [await login('acme'), await login('globex')];
    ada.session = await login('acme');
    for (const one of [here, there]) expectStatus(await app.get('/auth/me', { token: one.accessToken }), 200);
    expect(expectStatus(await remove(ada, ada.totpId), 200).revoked).toBe(3);
    for (const { accessToken, refreshToken } of [here, there]) {
      expectStatus(await app.get('/auth/me', { token: accessToken }), 401, 'auth.session_ended');
      expectStatus(await app.post('/auth/refresh', { refreshToken }), 401);
    }
    const me = expectStatus(await ada.get('/auth/me'), 200);
    expect(me.session).toMatchObject({ authMethods: ['pwd'], assurance: 'aal1' });
    expect(expectStatus(await ada.get('/auth/factors'), 200)).toMatchObject({
      items: [],
      recoveryCodesLeft: 0,
    });
    const ended = await app.records(globex.organization.id, 'session.revoked');
    expect(ended.at(-1)).toMatchObject({ reason: 'factor_removed', target: { id: there.session.id } });
    expectStatus(await ada.login({ organization: 'acme' }), 200);
  });

  it('ends only what stands on it, where the others are to stay', async () => {
    const ada = await join('nora');
    const plain = await app.signIn(ada.account);
    await ada.addTotp();
    await ada.addPasskey();
    const challenge = await ada.challenge();
    const assertion = ada.authenticator.sign(challenge.passkey);
    const byPasskey = expectStatus(
      await ada.verify({ challengeId: challenge.id, method: 'passkey', assertion }),
      200,
    );
    const byCode = expectStatus(
      await ada.verify({ challengeId: (await ada.challenge()).id, method: 'totp', code: ada.code() }),
      200,
    );
    expect(expectStatus(await remove(ada, ada.totpId, '?endOtherSessions=false'), 200).revoked).toBe(1);
    const alive = async (token: string) => (await app.get('/auth/me', { token })).status === 200;
    expect(await alive(byCode.accessToken)).toBe(false);
    expect(await alive(byPasskey.accessToken)).toBe(true);
    expect(await alive(plain.accessToken)).toBe(true);
    // The session that asks stands on the passkey it added last.
    expect(expectStatus(await ada.get('/auth/me'), 200).session.authMethods).toEqual([
      'pwd',
      'hwk',
      'user',
      'mfa',
    ]);
  });

  it('needs a fresh factor, and one’s own', async () => {
    const [ada, gus] = [await join('oda'), await join('paul')];
    await ada.addTotp();
    await gus.addTotp();
    expectStatus(await remove(ada, gus.totpId), 404, 'auth.factor_not_found');
    await age(ada.session.session.id);
    const challenge = await refusedStepUp(await remove(ada, ada.totpId));
    const { password } = ada.account;
    const byPassword = { challengeId: challenge.id, method: 'password', password };
    expectStatus(await stepUp(ada, byPassword), 400, 'auth.method_not_offered');
    const byCode = { challengeId: challenge.id, method: 'totp', code: ada.code() };
    expectStatus(await stepUp(ada, byCode), 200);
    expectStatus(await remove(ada, ada.totpId), 200);
  });

  it('is refused for the last that a policy asks for, of any organization, also two at once', async () => {
    const ada = await join('quin');
    await ada.addTotp();
    await setMfa('required');
    expectStatus(await remove(ada, ada.totpId), 409, 'auth.factor_required');
    await ada.addPasskey();
    const both = await Promise.all([remove(ada, ada.totpId), remove(ada, ada.passkeyId)]);
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 409]));
    expect(expectStatus(await ada.get('/auth/factors'), 200).items).toHaveLength(1);
  });

  it('is refused for the last passkey where only that will do', async () => {
    const ada = await join('rita');
    await ada.addTotp();
    await ada.addPasskey();
    await setMfa('phishing-resistant');
    expectStatus(await remove(ada, ada.passkeyId), 409, 'auth.factor_required');
    expectStatus(await remove(ada, ada.totpId), 200);
  });

  it('by a session of a laxer organization is refused where another takes passkeys only', async () => {
    const ada = await join('sina');
    await ada.addTotp();
    await ada.addPasskey();
    await ada.signIn();
    await app.addMember(await app.signIn(owner, 'platform'), ada.account, 'viewer');
    const platform = await app.signIn(owner, 'platform');
    await setMfa('phishing-resistant', platform.organization.id);
    const challenge = await refusedStepUp(await remove(ada, ada.totpId));
    expect(challenge.methods).toEqual(['passkey']);
    await refusedStepUp(await ada.post('/auth/factors/totp'));
    const assertion = ada.authenticator.sign(challenge.passkey);
    expectStatus(await stepUp(ada, { challengeId: challenge.id, method: 'passkey', assertion }), 200);
    expectStatus(await remove(ada, ada.totpId), 200);
  });
});
