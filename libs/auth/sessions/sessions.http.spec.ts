import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';

const gus = { email: 'gus@globex.example', name: 'Gus', password: 'early winter orchard gate 5' };

let product: AppInProcess;
let tenant = '';

beforeAll(async () => {
  product = await startApp();
  tenant = (await product.signIn(owner)).organization.id;
});
afterAll(() => product.close());

const refresh = (refreshToken: string): Promise<Answered> => product.post('/auth/refresh', { refreshToken });
const me = ({ accessToken }: SignedIn): Promise<Answered> => product.get('/auth/me', { token: accessToken });

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

  it('that comes a second time ends the session for both who hold it', async () => {
    const first = await product.signIn(owner);
    const second = expectStatus(await refresh(first.refreshToken), 200) as SignedIn;
    expectStatus(await refresh(first.refreshToken), 401, 'auth.invalid_refresh_token');
    for (const one of [first, second]) expectStatus(await me(one), 401);
    expectStatus(await refresh(second.refreshToken), 401, 'auth.invalid_refresh_token');
    const records = await product.records(tenant, 'auth.refresh_reused');
    expect(records.at(-1)).toMatchObject({ outcome: 'denied', target: { id: first.session.id } });
    const refused = await product.records(tenant, 'auth.refresh_refused');
    expect(refused.map(({ reason }) => reason)).toContain('used_before');
  });

  it('that two use at once lets at most one go on', async () => {
    const { refreshToken } = await product.signIn(owner);
    const answers = await Promise.all(Array.from({ length: 6 }, () => refresh(refreshToken)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const winner = answers.find(({ status }) => status === 200)!.body as SignedIn;
    // Five came a second time, so the session is over for the winner too.
    expectStatus(await me(winner), 401);
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

describe('signing out', () => {
  it('ends the session at once, its refresh token too, and no other', async () => {
    const [one, other] = [await product.signIn(owner), await product.signIn(owner)];
    expectStatus(await product.post('/auth/logout', undefined, { token: one.accessToken }), 204);
    expectStatus(await me(one), 401, 'auth.session_ended');
    expectStatus(await refresh(one.refreshToken), 401, 'auth.invalid_refresh_token');
    expectStatus(await me(other), 200);
    const records = await product.records(tenant, 'auth.signed_out');
    expect(records.at(-1)).toMatchObject({ target: { type: 'session', id: one.session.id } });
  });

  it('is not for an API key', async () => {
    const admin = await product.signIn(owner);
    const { key } = await product.apiKey(admin, { permissions: ['org:read'] });
    expectStatus(await product.post('/auth/logout', undefined, { token: key }), 403, 'auth.sessions_only');
  });
});

describe('one’s own sessions', () => {
  const own = async (who: SignedIn): Promise<{ id: string; current: boolean; organizationId: string }[]> =>
    expectStatus(await product.get('/auth/sessions?limit=100', { token: who.accessToken }), 200).items;

  it('are those of every organization, and the one that asks is marked', async () => {
    const inTenant = await product.signIn(owner);
    const inPlatform = await product.signIn(owner, 'platform');
    const list = await own(inTenant);
    const shown = new Map(list.map((session) => [session.id, session]));
    expect(shown.get(inTenant.session.id)).toMatchObject({ current: true, organizationId: tenant });
    expect(shown.get(inPlatform.session.id)).toMatchObject({
      current: false,
      organizationId: inPlatform.organization.id,
    });
    expect(list.filter(({ current }) => current)).toHaveLength(1);
  });

  it('can be ended one by one, in another organization too, with a record where each belongs', async () => {
    const inTenant = await product.signIn(owner);
    const inPlatform = await product.signIn(owner, 'platform');
    const path = `/auth/sessions/${inPlatform.session.id}`;
    expectStatus(await product.delete(path, { token: inTenant.accessToken }), 204);
    expectStatus(await me(inPlatform), 401, 'auth.session_ended');
    expectStatus(await me(inTenant), 200);
    expectStatus(await product.delete(path, { token: inTenant.accessToken }), 404, 'auth.session_not_found');
    const records = await product.records(inPlatform.organization.id, 'session.revoked');
    expect(records.at(-1)).toMatchObject({
      org: inPlatform.organization.id,
      reason: 'revoked_by_owner',
      actor: { id: inTenant.user.id },
      target: { id: inPlatform.session.id },
    });
  });

  it('can be ended all but the one that asks', async () => {
    const others = [await product.signIn(owner), await product.signIn(owner, 'platform')];
    const asking = await product.signIn(owner);
    const { revoked } = expectStatus(
      await product.delete('/auth/sessions', { token: asking.accessToken }),
      200,
    );
    expect(revoked).toBeGreaterThanOrEqual(2);
    for (const other of others) expectStatus(await me(other), 401);
    expect(await own(asking)).toMatchObject([{ id: asking.session.id, current: true }]);
    const again = expectStatus(await product.delete('/auth/sessions', { token: asking.accessToken }), 200);
    expect(again).toEqual({ revoked: 0 });
  });

  it('are nobody else’s', async () => {
    const stranger = await product.addTenant('globex', gus);
    const mine = await product.signIn(owner);
    const as = { token: stranger.accessToken };
    expectStatus(
      await product.delete(`/auth/sessions/${mine.session.id}`, as),
      404,
      'auth.session_not_found',
    );
    const inOrg = `/orgs/${stranger.organization.id}/sessions/${mine.session.id}`;
    expectStatus(await product.delete(inOrg, as), 404, 'auth.session_not_found');
    expectStatus(await product.delete(`/orgs/${tenant}/sessions/${mine.session.id}`, as), 404);
    expect((await own(stranger)).map(({ id }) => id)).not.toContain(mine.session.id);
    expectStatus(await me(mine), 200);
  });

  it('end by disuse after an hour', async () => {
    const idle = await product.signIn(owner);
    const used = await product.signIn(owner);
    try {
      product.clock.advance(59 * 60_000);
      expectStatus(await me(used), 401, 'auth.token_expired');
    } finally {
      product.clock.reset();
    }
    await product.change(
      `UPDATE session_activity SET last_seen_at = now() - interval '61 minutes' WHERE session_id = $1`,
      [idle.session.id],
    );
    expectStatus(await refresh(idle.refreshToken), 401);
    expect(await own(used)).toSatisfy((list: { id: string }[]) =>
      list.every(({ id }) => id !== idle.session.id),
    );
  });
});
