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
