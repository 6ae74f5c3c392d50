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
import { totpCode } from '../../../test/kit/totp.ts';

let app: AppInProcess;
let admin: SignedIn;

beforeAll(async () => {
  app = await startApp({ publicUrl: ORIGIN });
  admin = await app.signIn(owner);
});
beforeEach(async () => {
  await app.change('DELETE FROM portcullis.org_policies');
  await app.forgetAttempts();
});
afterAll(() => app.close());

const join = async (name: string): Promise<FactorPerson> => {
  // Afresh, for the clock has gone on and the token has not.
  admin = await app.signIn(owner);
  return FactorPerson.join(app, admin, name);
};
const setMfa = (mfa: string) =>
  app.change(`INSERT INTO portcullis.org_policies VALUES ($1, $2)`, [
    admin.organization.id,
    JSON.stringify({ mfa }),
  ]);
const lastReason = async (): Promise<string> =>
  (await app.records(admin.organization.id, 'auth.sign_in_refused')).at(-1).reason;
const codes = (answers: Answered[]): Record<string, number> => {
  const all: Record<string, number> = {};
  for (const { status, body } of answers) {
    const key = status === 200 ? '200' : body.code;
    all[key] = (all[key] ?? 0) + 1;
  }
  return all;
};

describe('a person with an authenticator app', () => {
  it('signs in by password and code, and by no password alone', async () => {
    const ada = await join('ada');
    await ada.addTotp();
    const challenge = await ada.challenge();
    expect(challenge).toMatchObject({ methods: ['totp', 'recovery_code'], expiresIn: 600 });
    const tokens = expectStatus(
      await ada.verify({ challengeId: challenge.id, method: 'totp', code: ada.code() }),
      200,
    );
    expect(tokens.session).toMatchObject({ authMethods: ['pwd', 'otp', 'mfa'], assurance: 'aal2' });
    const claims = JSON.parse(Buffer.from(tokens.accessToken.split('.')[1], 'base64url').toString());
    expect(claims).toMatchObject({ amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' });
    const records = await app.records(admin.organization.id);
    const mine = records.filter(({ actor }) => actor.id === ada.id).map(({ action }) => action);
    expect(mine.slice(-3)).toEqual(['auth.mfa_challenged', 'auth.factor_proven', 'auth.signed_in']);
  });

  it('is refused by a wrong code, and the challenge ends with the fifth', async () => {
    const ada = await join('bea');
    await ada.addTotp();
    const { id: challengeId } = await ada.challenge();
    for (let n = 0; n < 5; n += 1) {
      const code = ada.wrongCode();
      expectStatus(await ada.verify({ challengeId, method: 'totp', code }), 401, 'auth.factor_refused');
    }
    expect(await lastReason()).toBe('wrong_code');
    await app.forgetAttempts();
    const late = { challengeId, method: 'totp', code: ada.code() };
    expectStatus(await ada.verify(late), 401, 'auth.invalid_challenge');
  });

  it('uses a challenge once, and not after ten minutes', async () => {
    const ada = await join('cleo');
    await ada.addTotp();
    const { id: challengeId } = await ada.challenge();
    expectStatus(await ada.verify({ challengeId, method: 'totp', code: ada.code() }), 200);
    const again = { challengeId, method: 'totp', code: ada.code() };
    expectStatus(await ada.verify(again), 401, 'auth.invalid_challenge');
    const { id: old } = await ada.challenge();
    await app.change(`UPDATE challenges SET expires_at = expires_at - interval '10 minutes'`);
    const late = { challengeId: old, method: 'totp', code: ada.code() };
    expectStatus(await ada.verify(late), 401, 'auth.invalid_challenge');
  });

  it('cannot be signed in by a code that was used, on whatever challenge', async () => {
    const ada = await join('dora');
    await ada.addTotp();
    const code = ada.code();
    const one = await ada.challenge();
    const two = await ada.challenge();
    expectStatus(await ada.verify({ challengeId: one.id, method: 'totp', code }), 200);
    const replay = { challengeId: two.id, method: 'totp', code };
    expectStatus(await ada.verify(replay), 401, 'auth.factor_refused');
    expect(await lastReason()).toBe('code_used_before');
    // Nor by one of a step before it.
    const earlier = totpCode(ada.secret, new Date(app.clock.now().getTime() - 30_000));
    expectStatus(
      await ada.verify({ challengeId: two.id, method: 'totp', code: earlier }),
      401,
      'auth.factor_refused',
    );
  });

  it('T5: gets one session from 50 submissions of one code at once', async () => {
    const ada = await join('emma');
    await ada.addTotp();
    // Limits out of the way: the code itself must be what is used once.
    await app.change(`INSERT INTO portcullis.org_policies VALUES ($1, '{"limits": {"perFactor": 100}}')`, [
      admin.organization.id,
    ]);
    const challenges = [];
    for (let n = 0; n < 50; n += 1) challenges.push(await ada.challenge());
    const code = ada.code();
    const answers = await Promise.all(
      challenges.map(({ id }) => ada.verify({ challengeId: id, method: 'totp', code })),
    );
    expect(codes(answers)).toEqual({ '200': 1, 'auth.factor_refused': 49 });
  });

  it('T5: gets one session from 50 submissions of one code to one challenge at once', async () => {
    const ada = await join('faye');
    await ada.addTotp();
    const { id: challengeId } = await ada.challenge();
    const code = ada.code();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => ada.verify({ challengeId, method: 'totp', code })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('T4: is guessed at five times by any number of challenges at once, and then not at all', async () => {
    const ada = await join('gwen');
    await ada.addTotp();
    const challenges = [];
    for (let n = 0; n < 12; n += 1) challenges.push(await ada.challenge());
    const wrong = ada.wrongCode();
    const guesses = challenges.flatMap(({ id }) =>
      Array.from({ length: 3 }, () => ada.verify({ challengeId: id, method: 'totp', code: wrong })),
    );
    const answered = codes(await Promise.all(guesses));
    expect(answered['auth.factor_refused']).toBe(5);
    const right = { challengeId: (await ada.challenge()).id, method: 'totp', code: ada.code() };
    const refused = await ada.verify(right);
    expectStatus(refused, 429, 'auth.too_many_requests');
    expect(refused.headers['retry-after']).toBeDefined();
    const refusals = await app.records(admin.organization.id, 'auth.sign_in_refused');
    expect(refusals.some(({ actor, reason }) => actor.id === ada.id && reason === 'too_many_attempts')).toBe(
      true,
    );
    const [told] = (await app.records(admin.organization.id, 'auth.locked')).filter(
      ({ target }) => target.id === ada.id,
    );
    expect(told.reason).toBe('totp');
    // T5: another factor has a pool of its own.
    const recovery = { challengeId: (await ada.challenge()).id, method: 'recovery_code' };
    expectStatus(await ada.verify({ ...recovery, code: ada.recoveryCodes[0] }), 200);
  });

  it('T3: begins with the password again when guesses are used up, also once there are new ones', async () => {
    const ada = await join('hana');
    await ada.addTotp();
    const first = await ada.challenge();
    const held = await ada.challenge();
    for (let n = 0; n < 5; n += 1) {
      await ada.verify({ challengeId: first.id, method: 'totp', code: ada.wrongCode() });
    }
    const tried = { challengeId: held.id, method: 'totp', code: ada.code() };
    expectStatus(await ada.verify(tried), 429, 'auth.too_many_requests');
    await app.forgetAttempts();
    const again = { challengeId: held.id, method: 'totp', code: ada.code() };
    expectStatus(await ada.verify(again), 401, 'auth.invalid_challenge');
    await ada.signIn();
  });
});

describe('a recovery code', () => {
  it('signs in once in 50 submissions at once, and is told when few are left', async () => {
    const ada = await join('iris');
    const added = await ada.addTotp();
    expect(added.recoveryCodes).toHaveLength(10);
    await app.change(`INSERT INTO portcullis.org_policies VALUES ($1, '{"limits": {"perFactor": 100}}')`, [
      admin.organization.id,
    ]);
    const challenges = [];
    for (let n = 0; n < 50; n += 1) challenges.push(await ada.challenge());
    const [code = ''] = ada.recoveryCodes;
    const answers = await Promise.all(
      challenges.map(({ id }) => ada.verify({ challengeId: id, method: 'recovery_code', code })),
    );
    expect(codes(answers)).toEqual({ '200': 1, 'auth.factor_refused': 49 });
    const [success] = answers.filter(({ status }) => status === 200);
    expect(success?.body).toMatchObject({
      recoveryCodesLeft: 9,
      fewRecoveryCodes: false,
      session: { authMethods: ['pwd', 'otp', 'mfa'] },
    });
    for (const next of ada.recoveryCodes.slice(1, 7)) {
      const { id: challengeId } = await ada.challenge();
      const used = await ada.verify({ challengeId, method: 'recovery_code', code: next.toUpperCase() });
      const left = expectStatus(used, 200).recoveryCodesLeft;
      expect(used.body.fewRecoveryCodes).toBe(left <= 3);
    }
    const used = await app.records(admin.organization.id, 'auth.recovery_code_used');
    expect(used.filter(({ actor }) => actor.id === ada.id)).toHaveLength(7);
  });

  it('of somebody else signs nobody in', async () => {
    const [ada, gus] = [await join('jill'), await join('karl')];
    await ada.addTotp();
    await gus.addTotp();
    const { id: challengeId } = await ada.challenge();
    const stolen = { challengeId, method: 'recovery_code', code: gus.recoveryCodes[0] };
    expectStatus(await ada.verify(stolen), 401, 'auth.factor_refused');
  });
});

describe('an organization that requires a factor', () => {
  it('has it enrolled at sign-in: no session before, recovery codes with it', async () => {
    const ada = await join('lena');
    await setMfa('required');
    const challenge = await ada.challenge();
    expect(challenge.methods).toEqual(['enroll_passkey', 'enroll_totp']);
    const not = { challengeId: challenge.id, method: 'totp', code: '000000' };
    expectStatus(await ada.verify(not), 400, 'auth.method_not_offered');
    const begin = { challengeId: challenge.id, method: 'enroll_totp' };
    const early = { ...begin, code: '000000' };
    expectStatus(await ada.verify(early), 401, 'auth.factor_refused');
    const begun = expectStatus(await app.post('/auth/login/enroll', begin), 200);
    ada.secret = begun.totp.secret;
    expect(begun.totp.uri).toContain(`secret=${ada.secret}`);
    expectStatus(await ada.verify({ ...begin, code: ada.wrongCode() }), 401, 'auth.factor_refused');
    const tokens = expectStatus(await ada.verify({ ...begin, code: ada.code(), name: 'My phone' }), 200);
    expect(tokens).toMatchObject({ session: { assurance: 'aal2' } });
    expect(tokens.recoveryCodes).toHaveLength(10);
    const token = tokens.accessToken;
    expectStatus(await app.get(`/orgs/${admin.organization.id}`, { token }), 200);
    const own = expectStatus(await app.get('/auth/factors', { token }), 200);
    expect(own).toMatchObject({ items: [{ kind: 'totp', name: 'My phone' }], recoveryCodesLeft: 10 });
    // The code of the enrolment was used by it.
    const replay = totpCode(ada.secret, app.clock.now());
    const { id } = await ada.challenge();
    expectStatus(await ada.verify({ challengeId: id, method: 'totp', code: replay }), 401);
  });

  it('lets nobody enroll who held a challenge from before there was a factor', async () => {
    const ada = await join('mona');
    await setMfa('required');
    const held = await ada.challenge();
    const begin = { challengeId: held.id, method: 'enroll_totp' };
    const thief = expectStatus(await app.post('/auth/login/enroll', begin), 200).totp.secret;
    await ada.addTotp();
    app.clock.advance(30_000);
    const code = totpCode(thief, app.clock.now());
    expectStatus(await ada.verify({ ...begin, code }), 401, 'auth.invalid_challenge');
  });

  it('asks for the password that was given once to be changed too, and by no order of steps for less', async () => {
    const made = expectStatus(
      await app.post(
        `/orgs/${admin.organization.id}/members`,
        { email: 'nell@acme.example', name: 'Nell', role: 'viewer' },
        { token: (admin = await app.signIn(owner)).accessToken },
      ),
      201,
    );
    await setMfa('required');
    const ask = { email: 'nell@acme.example', password: made.password };
    const first = expectStatus(await app.post('/auth/login', ask), 401, 'auth.password_change_required');
    const change = { challengeId: first.data.challenge.id, newPassword: 'a lasting secret of nobody else' };
    // The challenge of one step is none of the other.
    const enroll = { challengeId: change.challengeId, method: 'enroll_totp' };
    expectStatus(await app.post('/auth/login/enroll', enroll), 401, 'auth.invalid_challenge');
    const changed = await app.post('/auth/password/change-required', change);
    const second = expectStatus(changed, 401, 'auth.mfa_required').data.challenge;
    const wrongWay = { challengeId: second.id, newPassword: 'yet another secret of nobody' };
    expectStatus(await app.post('/auth/password/change-required', wrongWay), 401, 'auth.invalid_challenge');
    const begin = { challengeId: second.id, method: 'enroll_totp' };
    const { totp } = expectStatus(await app.post('/auth/login/enroll', begin), 200);
    app.clock.advance(30_000);
    const code = totpCode(totp.secret, app.clock.now());
    const tokens = expectStatus(await app.post('/auth/login/verify', { ...begin, code }), 200);
    expect(tokens.session.authMethods).toEqual(['pwd', 'otp', 'mfa']);
  });

  it('asks whoever has a factor for it before the password is changed', async () => {
    const ada = await join('olea');
    await ada.addTotp();
    await app.change('UPDATE passwords SET must_change = true WHERE user_id = $1', [ada.id]);
    const { id: challengeId } = await ada.challenge();
    const verified = await ada.verify({ challengeId, method: 'totp', code: ada.code() });
    const { challenge } = expectStatus(verified, 401, 'auth.password_change_required').data;
    const change = { challengeId: challenge.id, newPassword: 'a lasting secret of nobody else' };
    const tokens = expectStatus(await app.post('/auth/password/change-required', change), 200);
    expect(tokens.session).toMatchObject({ authMethods: ['pwd', 'otp', 'mfa'], assurance: 'aal2' });
  });

  it('of passkeys takes no code: who has only that enrolls a passkey behind it', async () => {
    const ada = await join('pia');
    await ada.addTotp();
    await setMfa('phishing-resistant');
    expectStatus(await ada.get(`/orgs/${admin.organization.id}`), 401, 'auth.step_up_required');
    const { id: challengeId } = await ada.challenge();
    const verified = await ada.verify({ challengeId, method: 'totp', code: ada.code() });
    const { challenge } = expectStatus(verified, 401, 'auth.mfa_required').data;
    expect(challenge.methods).toEqual(['enroll_passkey']);
    const begin = { challengeId: challenge.id, method: 'enroll_passkey' };
    const { passkey } = expectStatus(await app.post('/auth/login/enroll', begin), 200);
    expect(passkey).toMatchObject({
      rp: { id: 'localhost' },
      attestation: 'none',
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
    });
    const attestation = ada.authenticator.register(passkey);
    const tokens = expectStatus(await ada.verify({ ...begin, attestation }), 200);
    expect(tokens.session.authMethods).toEqual(['pwd', 'otp', 'hwk', 'user', 'mfa']);
    // From now on the code alone is not even offered.
    expect((await ada.challenge()).methods).toEqual(['passkey']);
  });
});
