import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import type { Answer } from '../kit/client.ts';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { type Account, addMember, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

/**
 * T11: tabs of one browser wake at the same moment and refresh with the token they share, each on whatever replica it
 * is led to. One successor, and nobody is signed out.
 */
describe('refreshes at the same moment on three replicas', { timeout: 60_000 }, () => {
  const replicas: Product[] = [];
  let adminUrl: string;
  let account: Account;

  beforeAll(async () => {
    const first = await startProduct();
    replicas.push(first);
    replicas.push(await startProduct({ replicaOf: first }));
    replicas.push(await startProduct({ replicaOf: first }));
    const admin = await signIn(first, await setUp(first));
    account = await addMember(first, admin, 'member');
    adminUrl = await first.databaseUrl();
  }, 180_000);
  afterAll(() => disposeAll(replicas), 60_000);

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

  it.each([2, 10, 50])('T11: %i of them have one successor and are all answered', async (count) => {
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
  });

  it('T11: one of them that comes after the grace ends the session everywhere', async () => {
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

  it('T11: somebody else among them ends the session everywhere, and gets nothing', async () => {
    const signedIn = await signIn(replicas[0]!, account);
    const next = expectAnswer<SignedIn>(await refresh(signedIn.refreshToken, 1), 200);
    const stolen = await refresh(signedIn.refreshToken, 2, 'Thief/1');
    expectAnswer(stolen, 401, 'auth.invalid_refresh_token');
    await expectLive(next, 401);
    expectAnswer(await refresh(next.refreshToken, 0), 401, 'auth.invalid_refresh_token');
  });
});
