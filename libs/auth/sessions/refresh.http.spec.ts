import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';

let product: AppInProcess;
let tenant = '';

beforeAll(async () => {
  product = await startApp();
  tenant = (await product.signIn(owner)).organization.id;
});
afterAll(() => product.close());

const refresh = (refreshToken: string, ask?: Ask): Promise<Answered> =>
  product.post('/auth/refresh', { refreshToken }, ask);
const me = ({ accessToken }: SignedIn): Promise<Answered> => product.get('/auth/me', { token: accessToken });
const successors = ({ session }: SignedIn): Promise<Record<string, unknown>[]> =>
  product.sql(
    `SELECT r.* FROM portcullis.refresh_successors r JOIN portcullis.refresh_tokens t ON t.id = r.token_id
      WHERE t.session_id = $1`,
    [session.id],
  );

/** As if the session's refreshes had been `ago`. */
async function graceOver({ session }: SignedIn, ago: string): Promise<void> {
  await product.sql(
    `UPDATE portcullis.refresh_successors SET erase_at = erase_at - $2::interval
      WHERE token_id IN (SELECT id FROM portcullis.refresh_tokens WHERE session_id = $1)`,
    [session.id, ago],
  );
}

async function expectReused(first: SignedIn, second: SignedIn, reason: string): Promise<void> {
  for (const one of [first, second]) expectStatus(await me(one), 401, 'auth.session_ended');
  expectStatus(await refresh(second.refreshToken), 401, 'auth.invalid_refresh_token');
  const records = await product.records(tenant, 'auth.refresh_reused');
  expect(records.at(-1)).toMatchObject({ outcome: 'denied', reason, target: { id: first.session.id } });
  const refused = await product.records(tenant, 'auth.refresh_refused');
  expect(refused.map((record) => record.reason)).toContain('used_before');
}

describe('a refresh token', () => {
  it('works once and answers the next one, of the same session', async () => {
    const first = await product.signIn(owner);
    const second = expectStatus(await refresh(first.refreshToken), 200) as SignedIn;
    const third = expectStatus(await refresh(second.refreshToken), 200) as SignedIn;
    expect(new Set([first.refreshToken, second.refreshToken, third.refreshToken]).size).toBe(3);
    for (const one of [second, third]) {
      expect(one.session.id).toBe(first.session.id);
      expect(one.refreshToken).toMatch(/^pcr_[A-Za-z0-9_-]{43}$/);
      expectStatus(await me(one), 200);
    }
  });

  it('answers the same successor again within the grace, to the client that got it', async () => {
    const first = await product.signIn(owner);
    const second = expectStatus(await refresh(first.refreshToken), 200) as SignedIn;
    const again = expectStatus(await refresh(first.refreshToken), 200) as SignedIn;
    expect(again.refreshToken).toBe(second.refreshToken);
    expect(again.accessToken).not.toBe(second.accessToken);
    expect(again.session.id).toBe(first.session.id);
    for (const one of [first, second, again]) expectStatus(await me(one), 200);
    const records = await product.records(tenant, 'auth.refreshed');
    expect(records.slice(-2).map(({ reason }) => reason)).toEqual([undefined, 'within_grace']);
    // The one branch goes on.
    expectStatus(await refresh(again.refreshToken), 200);
  });

  it.each(['an hour later', 'just after the grace'])(
    'that comes again %s ends the session for both who hold it',
    async (when) => {
      const first = await product.signIn(owner);
      const second = expectStatus(await refresh(first.refreshToken), 200) as SignedIn;
      await graceOver(first, when === 'an hour later' ? '1 hour' : '10 seconds');
      expectStatus(await refresh(first.refreshToken), 401, 'auth.invalid_refresh_token');
      await expectReused(first, second, 'after_grace');
    },
  );

  it.each([
    ['from another network', { ip: '192.0.3.7' }],
    ['with another user agent', { headers: { 'user-agent': 'Thief/1.0' } }],
    ['without a user agent', { headers: { 'user-agent': '' } }],
  ])('that comes again within the grace %s ends the session', async (_how, other) => {
    const client = { ip: '192.0.2.7', headers: { 'user-agent': 'Victim/1.0' } };
    const first = await product.signIn(owner);
    const second = expectStatus(await refresh(first.refreshToken, client), 200) as SignedIn;
    // A neighbor's address is the same source: that of a NAT, or a temporary one.
    expectStatus(await refresh(first.refreshToken, { ...client, ip: '192.0.2.8' }), 200);
    expectStatus(
      await refresh(first.refreshToken, { ...client, ...other }),
      401,
      'auth.invalid_refresh_token',
    );
    await expectReused(first, second, 'another_client');
  });

  it('that comes again within the grace, but after its session ended, is refused', async () => {
    const first = await product.signIn(owner);
    expectStatus(await refresh(first.refreshToken), 200);
    expectStatus(await product.post('/auth/logout', undefined, { token: first.accessToken }), 204);
    expectStatus(await refresh(first.refreshToken), 401, 'auth.invalid_refresh_token');
  });

  it.each([2, 8, 16])(
    'T11: that %i use at once has one successor, and nobody is signed out',
    async (count) => {
      const first = await product.signIn(owner);
      const answers = await Promise.all(Array.from({ length: count }, () => refresh(first.refreshToken)));
      const tokens = answers.map((answer) => expectStatus(answer, 200) as SignedIn);
      expect(new Set(tokens.map(({ refreshToken }) => refreshToken)).size).toBe(1);
      const issued = await product.sql('SELECT id FROM portcullis.refresh_tokens WHERE session_id = $1', [
        first.session.id,
      ]);
      expect(issued.length).toBe(2);
      for (const one of [first, ...tokens]) expectStatus(await me(one), 200);
      expectStatus(await refresh(tokens[0]!.refreshToken), 200);
    },
  );

  it('leaves nothing in the database that opens the successor, or tells who got it', async () => {
    const first = await product.signIn(owner);
    const client = { ip: '198.51.100.77', headers: { 'user-agent': 'Tell-Tale/7' } };
    const second = expectStatus(await refresh(first.refreshToken, client), 200) as SignedIn;
    const [kept] = await successors(first);
    const text = JSON.stringify(kept);
    for (const secret of [second.refreshToken, second.refreshToken.slice(4), '198.51.100', 'Tell-Tale'])
      expect(text).not.toContain(secret);
    expect(Buffer.from(String(kept?.['wrapped']), 'base64url').toString('latin1')).not.toContain('pcr_');
  });

  it('that is unknown, empty or of another kind is refused', async () => {
    const { accessToken } = await product.signIn(owner);
    for (const token of ['pcr_unknown', accessToken.slice(0, 200), 'x']) {
      expectStatus(await refresh(token), 401, 'auth.invalid_refresh_token');
    }
    expectStatus(await refresh(''), 400, 'http.invalid_input');
    expectStatus(await product.post('/auth/refresh', { refreshToken: { a: 1 } }), 400, 'http.invalid_input');
  });

  it('is not what the database stores', async () => {
    const { refreshToken } = await product.signIn(owner);
    const rows = await product.sql('SELECT digest FROM portcullis.refresh_tokens');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.some(({ digest }) => String(digest).includes(refreshToken.slice(4)))).toBe(false);
  });

  it('ends with the session: by time, by disuse, with the person and with the membership', async () => {
    const ends: [string, string][] = [
      [`UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1`, ''],
      [`UPDATE session_activity SET last_seen_at = now() - interval '2 hours' WHERE session_id = $1`, ''],
      [
        `UPDATE memberships SET status = 'disabled' WHERE (org_id, user_id) IN (SELECT org_id, user_id FROM sessions WHERE id = $1)`,
        `UPDATE memberships SET status = 'active'`,
      ],
      [
        `UPDATE users SET status = 'disabled' WHERE id = (SELECT user_id FROM sessions WHERE id = $1)`,
        `UPDATE users SET status = 'active'`,
      ],
    ];
    for (const [end, restore] of ends) {
      const one = await product.signIn(owner);
      await product.change(end, [one.session.id]);
      expectStatus(await refresh(one.refreshToken), 401, 'auth.invalid_refresh_token');
      if (restore !== '') await product.change(restore);
    }
  });
});
