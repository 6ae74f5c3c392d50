import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { SoftAuthenticator } from '../../../test/kit/authenticator.ts';
import { FactorPerson, ORIGIN } from '../../../test/kit/factor-people.ts';

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
const lastReason = async (): Promise<string> =>
  (await app.records(admin.organization.id, 'auth.sign_in_refused')).at(-1).reason;
describe('a passkey', () => {
  const begin = async () => expectStatus(await app.post('/auth/login/passkey', {}), 200).challenge;

  it('signs in alone, to the organization that is named', async () => {
    const ada = await join('quin');
    const added = await ada.addPasskey();
    expect(added.factor).toMatchObject({ kind: 'passkey', deviceBound: true, backedUp: false });
    const challenge = await begin();
    expect(challenge).toMatchObject({
      methods: ['passkey'],
      passkey: { rpId: 'localhost', userVerification: 'required' },
    });
    expect(Buffer.from(challenge.passkey.challenge, 'base64url')).toHaveLength(32);
    const answer = {
      challengeId: challenge.id,
      method: 'passkey',
      assertion: ada.authenticator.sign(challenge.passkey),
    };
    expectStatus(await ada.verify({ ...answer, organization: 'nowhere' }), 401, 'auth.factor_refused');
    const tokens = expectStatus(await ada.verify({ ...answer, organization: 'acme' }), 200);
    expect(tokens.session).toMatchObject({ authMethods: ['hwk', 'user', 'mfa'], assurance: 'aal2' });
    expectStatus(await ada.verify(answer), 401, 'auth.invalid_challenge');
  });

  it('that is synchronized says so', async () => {
    const ada = await join('rosa');
    const begun = expectStatus(await ada.post('/auth/factors/passkeys'), 200);
    const attestation = ada.authenticator.register(begun.passkey, { synced: true });
    const confirm = { challengeId: begun.challengeId, attestation };
    const added = expectStatus(await ada.post('/auth/factors/passkeys/confirm', confirm), 201);
    expect(added.factor).toMatchObject({ deviceBound: false, backedUp: true, transports: ['internal'] });
    const challenge = await begin();
    const assertion = ada.authenticator.sign(challenge.passkey, { synced: true });
    const tokens = expectStatus(
      await ada.verify({ challengeId: challenge.id, method: 'passkey', assertion }),
      200,
    );
    expect(tokens.session.authMethods).toEqual(['swk', 'user', 'mfa']);
  });

  it.each([
    ['of another origin', { origin: 'http://evil.example' }, 'wrong_assertion'],
    ['of another relying party', { rpId: 'evil.example' }, 'wrong_assertion'],
    ['without user verification', { userVerified: false }, 'wrong_assertion'],
    ['to another challenge', { challenge: 'AAAA' }, 'wrong_assertion'],
    ['of another person’s handle', { userHandle: 'AAAA' }, 'wrong_assertion'],
  ])('is refused with an answer %s', async (_what, deviation, reason) => {
    const ada = await join(`sara-${Math.random().toString(36).slice(2, 8)}`);
    await ada.addPasskey();
    const challenge = await begin();
    const assertion = ada.authenticator.sign(challenge.passkey, deviation);
    const answer = { challengeId: challenge.id, method: 'passkey', assertion };
    expectStatus(await ada.verify(answer), 401, 'auth.factor_refused');
    expect(await lastReason()).toBe(reason);
  });

  it('is not enrolled by an answer that is not right, nor twice, nor by two people', async () => {
    const [ada, gus] = [await join('tara'), await join('udo')];
    for (const deviation of [
      { origin: 'http://evil.example' },
      { rpId: 'evil.example' },
      { userVerified: false },
      { challenge: 'AAAA' },
    ]) {
      const begun = expectStatus(await ada.post('/auth/factors/passkeys'), 200);
      const attestation = ada.authenticator.register(begun.passkey, deviation);
      const confirm = { challengeId: begun.challengeId, attestation };
      expectStatus(await ada.post('/auth/factors/passkeys/confirm', confirm), 401, 'auth.factor_refused');
    }
    await ada.addPasskey();
    const again = expectStatus(await ada.post('/auth/factors/passkeys'), 200);
    expect(again.passkey.excludeCredentials).toHaveLength(1);
    for (const person of [ada, gus]) {
      const begun = expectStatus(await person.post('/auth/factors/passkeys'), 200);
      const attestation = ada.authenticator.register(begun.passkey);
      const confirm = { challengeId: begun.challengeId, attestation };
      expectStatus(await person.post('/auth/factors/passkeys/confirm', confirm), 409, 'auth.passkey_known');
    }
  });

  it('whose counter goes back was cloned, and is refused', async () => {
    const ada = await join('vera');
    ada.authenticator.counter = 5;
    await ada.addPasskey();
    const answer = async (counter: number): Promise<Answered> => {
      const challenge = await begin();
      const assertion = ada.authenticator.sign(challenge.passkey, { counter });
      return ada.verify({ challengeId: challenge.id, method: 'passkey', assertion });
    };
    expectStatus(await answer(6), 200);
    for (const counter of [6, 3, 0]) {
      expectStatus(await answer(counter), 401, 'auth.factor_refused');
      expect(await lastReason()).toBe('cloned_authenticator');
    }
    expectStatus(await answer(7), 200);
  });

  it('that nobody has is refused like one whose answer is wrong', async () => {
    const challenge = await begin();
    const stranger = new SoftAuthenticator(ORIGIN);
    const assertion = stranger.sign(challenge.passkey);
    const verify = { challengeId: challenge.id, method: 'passkey', assertion };
    expectStatus(await app.post('/auth/login/verify', verify), 401, 'auth.factor_refused');
    for (const odd of [{}, { id: 5 }, { id: 'x', response: null }, { id: [] }]) {
      const body = { ...verify, assertion: odd };
      expectStatus(await app.post('/auth/login/verify', body), 401);
    }
  });

  it('does nothing for a disabled person', async () => {
    const ada = await join('wilma');
    await ada.addPasskey();
    await app.change(`UPDATE users SET status = 'disabled' WHERE id = $1`, [ada.id]);
    const challenge = await begin();
    const assertion = ada.authenticator.sign(challenge.passkey);
    const verify = { challengeId: challenge.id, method: 'passkey', assertion };
    expectStatus(await ada.verify(verify), 401, 'auth.factor_refused');
  });

  it('can be the second factor beside the password', async () => {
    const ada = await join('xenia');
    await ada.addPasskey();
    const challenge = await ada.challenge();
    expect(challenge.methods).toEqual(['passkey', 'recovery_code']);
    expect(challenge.passkey.allowCredentials).toHaveLength(1);
    const assertion = ada.authenticator.sign(challenge.passkey, { userHandle: null });
    const verify = { challengeId: challenge.id, method: 'passkey', assertion };
    const tokens = expectStatus(await ada.verify(verify), 200);
    expect(tokens.session.authMethods).toEqual(['pwd', 'hwk', 'user', 'mfa']);
  });
});

describe('at an address that is no name', () => {
  it('passkeys are not offered, and asking for them says why', async () => {
    const other = await startApp();
    try {
      const { accessToken: token, organization } = await other.signIn(owner);
      expectStatus(await other.post('/auth/login/passkey', {}), 409, 'auth.passkeys_unavailable');
      expectStatus(
        await other.ask('POST', '/auth/factors/passkeys', { token }),
        409,
        'auth.passkeys_unavailable',
      );
      expect(expectStatus(await other.get('/auth/factors', { token }), 200).passkeysAvailable).toBe(false);
      const set = (mfa: string) =>
        other.change(
          `INSERT INTO portcullis.org_policies VALUES ($1, $2) ON CONFLICT (org_id) DO UPDATE SET settings = $2`,
          [organization.id, JSON.stringify({ mfa })],
        );
      await set('required');
      const { email, password } = owner;
      const challenged = await other.post('/auth/login', { email, password });
      expect(expectStatus(challenged, 401).data.challenge.methods).toEqual(['enroll_totp']);
      await set('phishing-resistant');
      expectStatus(await other.post('/auth/login', { email, password }), 409, 'auth.passkeys_unavailable');
    } finally {
      await other.close();
    }
  });
});
