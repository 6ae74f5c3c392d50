import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import type { Answer } from '../kit/client.ts';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { type Account, addMember, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

/**
 * Of T11: tabs of one browser wake at the same moment and refresh with the token they share, each on whatever replica it
 * is led to. One successor, and nobody is signed out.
 */
describe('sessions on three replicas', () => {
  const replicas: Product[] = [];
  let adminUrl: string;
  let admin: SignedIn;
  let account: Account;
  let other: Account;

  beforeAll(async () => {
    const first = await startProduct();
    replicas.push(first);
    replicas.push(await startProduct({ replicaOf: first }));
    replicas.push(await startProduct({ replicaOf: first }));
    admin = await signIn(first, await setUp(first));
    account = await addMember(first, admin, 'member');
    other = await addMember(first, admin, 'other');
    adminUrl = await first.databaseUrl();
  });
  afterAll(() => disposeAll(replicas));

  const refresh = (refreshToken: string, n: number, userAgent = 'Tab/1'): Promise<Answer> =>
    replicas[n % replicas.length]!.api.call(
      'POST',
      '/auth/refresh',
      { refreshToken },
      { headers: { 'user-agent': userAgent } },
    );

  async function expectLive({ accessToken }: SignedIn, status: 200 | 401): Promise<void> {
    for (const { api } of replicas) expectAnswer(await api.get('/auth/me', { token: accessToken }), status);
  }

  it.each([2, 10, 50])(
    'T11: refreshed %i times at once have one successor, and nobody is signed out',
    async (count) => {
      const signedIn = await signIn(replicas[0]!, account);
      const began = performance.now();
      const answers = await Promise.all(
        Array.from({ length: count }, (_, n) => refresh(signedIn.refreshToken, n)),
      );
      console.log(`${count} refreshes at once: answered in ${(performance.now() - began).toFixed(0)} ms`);
      const tokens = answers.map((answer) => expectAnswer<SignedIn>(answer, 200));
      expect(new Set(tokens.map(({ refreshToken }) => refreshToken)).size).toBe(1);
      const rows = await run(adminUrl, 'SELECT FROM portcullis.refresh_tokens WHERE session_id = $1', [
        signedIn.session.id,
      ]);
      expect(rows).toHaveLength(2);
      for (const one of [signedIn, tokens[0]!, tokens.at(-1)!]) await expectLive(one, 200);
      // The one branch goes on, on any replica.
      expectAnswer(await refresh(tokens[0]!.refreshToken, 1), 200);
    },
  );

  it('T11: end everywhere with a refresh token that comes again after the grace', async () => {
    const signedIn = await signIn(replicas[0]!, account);
    const next = expectAnswer<SignedIn>(await refresh(signedIn.refreshToken, 1), 200);
    await run(
      adminUrl,
      `UPDATE portcullis.refresh_successors SET erase_at = now() - interval '1 ms' WHERE token_id IN (
         SELECT id FROM portcullis.refresh_tokens WHERE session_id = $1)`,
      [signedIn.session.id],
    );
    expectAnswer(await refresh(signedIn.refreshToken, 2), 401, 'auth.invalid_refresh_token');
    await expectLive(next, 401);
    expectAnswer(await refresh(next.refreshToken, 0), 401, 'auth.invalid_refresh_token');
  });

  it('T11: end everywhere with a refresh token that somebody else brings again, who gets nothing', async () => {
    const signedIn = await signIn(replicas[0]!, account);
    const next = expectAnswer<SignedIn>(await refresh(signedIn.refreshToken, 1), 200);
    const stolen = await refresh(signedIn.refreshToken, 2, 'Thief/1');
    expectAnswer(stolen, 401, 'auth.invalid_refresh_token');
    await expectLive(next, 401);
    expectAnswer(await refresh(next.refreshToken, 0), 401, 'auth.invalid_refresh_token');
  });

  it('T15: that are ended in bulk are refused on every replica when it answers, and no other', async () => {
    const victims = await Promise.all(replicas.map((replica) => signIn(replica, account)));
    const spared = await signIn(replicas[1]!, other);
    // From here on every replica has them in its cache.
    for (const one of [...victims, spared]) await expectLive(one, 200);
    const answer = await replicas[1]!.api.post(
      `/orgs/${admin.organization.id}/sessions/revoke`,
      { filter: { userId: victims[0]!.user.id } },
      { token: admin.accessToken },
    );
    expect(expectAnswer(answer, 200).revoked).toBeGreaterThanOrEqual(victims.length);
    for (const one of victims) await expectLive(one, 401);
    for (const [n, { refreshToken }] of victims.entries()) expectAnswer(await refresh(refreshToken, n), 401);
    await expectLive(spared, 200);
  });
});
