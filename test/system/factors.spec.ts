import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { addMember, enrollTotp, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

describe('factors over three processes', () => {
  const replicas: Product[] = [];
  let admin: SignedIn;

  beforeAll(async () => {
    const first = await startProduct();
    replicas.push(first);
    const owner = await setUp(first);
    replicas.push(await startProduct({ replicaOf: first }), await startProduct({ replicaOf: first }));
    admin = await signIn(first, owner);
  });
  afterAll(() => disposeAll(replicas));

  const [at, statuses] = [
    (n: number) => replicas[n]!.api,
    ({ accessToken: token }: SignedIn) =>
      Promise.all(
        replicas.map(async ({ api }) => {
          const { status, body } = await api.get('/auth/me', { token });
          return status === 200 ? 200 : (body as { code: string }).code;
        }),
      ),
  ];
  /** Cached by every replica. */
  async function used(session: SignedIn): Promise<SignedIn> {
    for (let turn = 0; turn < 3; turn += 1) expect(await statuses(session)).toEqual([200, 200, 200]);
    return session;
  }

  it('T15: a factor that is removed ends what stands on it everywhere, when that answers, and no other session', async () => {
    const account = await addMember(replicas[0]!, admin, 'ada');
    const plain = await used(await signIn(replicas[1]!, account));
    const asks = await used(await signIn(replicas[2]!, account));
    const { id, nextCode } = await enrollTotp(replicas[0]!, asks);
    const { email, password } = account;
    const refused = await at(1).post('/auth/login', { email, password });
    const { challenge } = expectAnswer(refused, 401, 'auth.mfa_required').data;
    const verify = { challengeId: challenge.id, method: 'totp', code: nextCode };
    const standing = await used(expectAnswer<SignedIn>(await at(2).post('/auth/login/verify', verify), 200));
    const path = `/auth/factors/${id}?endOtherSessions=false`;
    const removed = await at(1).delete(path, { token: asks.accessToken });
    expect(await statuses(standing)).toEqual(Array(3).fill('auth.session_ended'));
    expect(expectAnswer(removed, 200).revoked).toBe(1);
    for (let n = 0; n < 3; n += 1) {
      const { refreshToken } = standing;
      expectAnswer(await at(n).post('/auth/refresh', { refreshToken }), 401);
    }
    expect(await statuses(plain)).toEqual([200, 200, 200]);
    expect(await statuses(asks)).toEqual([200, 200, 200]);
  });

  it('a factor that is new is asked for at once by every replica, also in sessions from before', async () => {
    const account = await addMember(replicas[0]!, admin, 'bea', 'admin');
    const before = await used(await signIn(replicas[1]!, account));
    const policy = `/orgs/${before.organization.id}/policy`;
    const patch = (n: number) => at(n).patch(policy, {}, { token: before.accessToken });
    for (let n = 0; n < 3; n += 1) expectAnswer(await patch(n), 200);
    await enrollTotp(replicas[2]!, await signIn(replicas[2]!, account));
    for (let n = 0; n < 3; n += 1) {
      const { challenge } = expectAnswer(await patch(n), 401, 'auth.step_up_required').data;
      expect(challenge.methods).toEqual(['totp', 'recovery_code']);
    }
  });

  it('T5: a code signs in once, however many replicas get it at once', async () => {
    const account = await addMember(replicas[0]!, admin, 'cleo');
    const { nextCode } = await enrollTotp(replicas[0]!, await signIn(replicas[0]!, account));
    const { email, password } = account;
    const challenges = [];
    for (let n = 0; n < 30; n += 1) {
      const refused = await at(n % 3).post('/auth/login', { email, password });
      challenges.push(expectAnswer(refused, 401, 'auth.mfa_required').data.challenge.id);
    }
    const answers = await Promise.all(
      challenges.map((challengeId, n) =>
        at(n % 3).post('/auth/login/verify', { challengeId, method: 'totp', code: nextCode }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const refused = new Set(answers.filter(({ status }) => status !== 200).map(({ body }) => body.code));
    for (const code of refused)
      expect(['auth.factor_refused', 'auth.too_many_requests', 'auth.invalid_challenge']).toContain(code);
  });
});
