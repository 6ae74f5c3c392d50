import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
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
let globex: SignedIn;
let mine: SignedIn;

beforeAll(async () => {
  product = await startApp();
  globex = await product.addTenant('globex', gus);
});
beforeEach(async () => {
  await product.change('DELETE FROM portcullis.org_policies');
  mine = await product.signIn(owner, 'acme');
});
afterEach(() => product.clock.reset());
afterAll(() => product.close());

const me = ({ accessToken }: SignedIn): Promise<Answered> => product.get('/auth/me', { token: accessToken });
const switchTo = (organization: string, { accessToken }: SignedIn = mine): Promise<Answered> =>
  product.post('/auth/switch', { organization }, { token: accessToken });
const setPolicy = (settings: object, slug = 'platform'): Promise<unknown> =>
  product.change(
    `INSERT INTO portcullis.org_policies SELECT id, $2 FROM portcullis.organizations WHERE slug = $1`,
    [slug, JSON.stringify(settings)],
  );
const claims = ({ accessToken }: SignedIn) =>
  JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;

describe('switching organization', () => {
  it('answers as a sign-in does, with a session of its own; the old one stays', async () => {
    const there = expectStatus(await switchTo('platform'), 200) as SignedIn;
    expect(there).toMatchObject({ organization: { slug: 'platform' }, user: { id: mine.user.id } });
    expect(there.session.id).not.toBe(mine.session.id);
    for (const one of [mine, there]) {
      const body = expectStatus(await me(one), 200);
      expect(body.organization.id).toBe(one.organization.id);
      expect(body.session.id).toBe(one.session.id);
    }
    const next = expectStatus(await product.post('/auth/refresh', { refreshToken: there.refreshToken }), 200);
    expect(next.session.id).toBe(there.session.id);
    expectStatus(await product.post('/auth/logout', undefined, { token: mine.accessToken }), 204);
    expectStatus(await me(there), 200);
  });

  it('is recorded in the organization that was entered, and there alone', async () => {
    const there = expectStatus(await switchTo('platform'), 200) as SignedIn;
    expect((await product.records(there.organization.id, 'auth.switched')).at(-1)).toMatchObject({
      actor: { id: mine.user.id, sessionId: there.session.id },
      changes: { session: { from: mine.session.id, to: there.session.id }, methods: { to: ['pwd'] } },
    });
    expect(await product.records(mine.organization.id, 'auth.switched')).toEqual([]);
  });

  it('carries over what was proven, and when', async () => {
    const there = expectStatus(await switchTo('platform'), 200) as SignedIn;
    expect(claims(there)).toMatchObject({ amr: ['pwd'], acr: 'aal1', auth_time: claims(mine)['auth_time'] });
    const rows = await product.sql(
      'SELECT password_at, factor_at, auth_methods FROM portcullis.sessions WHERE id = ANY($1)',
      [[mine.session.id, there.session.id]],
    );
    expect(rows[0]).toEqual(rows[1]);
  });

  it('does not make the proof any younger, however often', async () => {
    await product.change(
      `UPDATE portcullis.sessions
          SET created_at = created_at - interval '2 hours', password_at = password_at - interval '2 hours' WHERE id = $1`,
      [mine.session.id],
    );
    const began = expectStatus(await me(mine), 200).session.createdAt;
    let at = mine;
    for (const slug of ['platform', 'acme', 'platform']) {
      at = expectStatus(await switchTo(slug, at), 200) as SignedIn;
      const { session } = expectStatus(await me(at), 200);
      expect(Date.parse(session.expiresAt) - Date.parse(began)).toBe(12 * 3_600_000);
      expect(Date.parse(session.createdAt)).toBeGreaterThan(Date.parse(began));
    }
    expect(claims(at)['auth_time']).toBe(Math.floor(Date.parse(began) / 1_000));
  });

  it('says the same of an organization one does not belong to and of one that does not exist', async () => {
    const [foreign, unknown] = [await switchTo('globex'), await switchTo('no-such-organization')];
    for (const answer of [foreign, unknown]) expectStatus(answer, 404, 'auth.not_a_member');
    const { requestId: _one, ...first } = foreign.body;
    const { requestId: _other, ...second } = unknown.body;
    expect(first).toEqual(second);
    expect(await product.records(globex.organization.id, 'auth.switch_refused')).toEqual([]);
    const told = await product.records(mine.organization.id, 'auth.switch_refused');
    expect(told.at(-1)).toMatchObject({ outcome: 'denied', reason: 'auth.not_a_member' });
  });

  it('needs a membership that is not disabled', async () => {
    await product.change(
      `UPDATE portcullis.memberships SET status = 'disabled' WHERE org_id = (
         SELECT id FROM portcullis.organizations WHERE kind = 'platform')`,
    );
    try {
      expectStatus(await switchTo('platform'), 404, 'auth.not_a_member');
    } finally {
      await product.change(`UPDATE portcullis.memberships SET status = 'active'`);
    }
  });

  it('does not enter an organization that is suspended', async () => {
    const operator = await product.signIn(owner, 'platform');
    await product.change(`UPDATE portcullis.organizations SET status = 'suspended' WHERE slug = 'acme'`);
    try {
      expectStatus(await switchTo('acme', operator), 403, 'access.org_suspended');
      const told = await product.records(mine.organization.id, 'auth.switch_refused');
      expect(told.at(-1)).toMatchObject({ actor: { id: operator.user.id }, reason: 'access.org_suspended' });
    } finally {
      await product.change(`UPDATE portcullis.organizations SET status = 'active'`);
    }
  });

  it('asks for more where the other organization asks for more: a factor, or a younger proof', async () => {
    await setPolicy({ mfa: 'required' });
    const { challenge } = expectStatus(await switchTo('platform'), 401, 'auth.mfa_required').data;
    expect(challenge.methods).toEqual(['enroll_totp']);
    await product.change('DELETE FROM portcullis.org_policies');
    await setPolicy({ session: { absoluteSeconds: 600 } });
    expectStatus(await switchTo('platform'), 200);
    await product.change(
      `UPDATE portcullis.sessions SET created_at = created_at - interval '11 minutes' WHERE id = $1`,
      [mine.session.id],
    );
    expectStatus(await switchTo('platform'), 401, 'auth.step_up_required');
    expectStatus(await me(mine), 200);
  });

  it('T9: keeps the limit of sessions there', async () => {
    await setPolicy({ session: { maxConcurrent: 2, idleSeconds: 120 } });
    const made = [];
    for (let n = 0; n < 3; n += 1) made.push(expectStatus(await switchTo('platform'), 200) as SignedIn);
    const statuses = await Promise.all(made.map(async (one) => (await me(one)).status));
    expect(statuses).toEqual([401, 200, 200]);
    const { session } = expectStatus(await me(made[2]!), 200);
    expect(Date.parse(session.idleExpiresAt) - Date.parse(session.lastSeenAt)).toBe(120_000);
  });

  it('makes no second session in the organization one is in', async () => {
    expectStatus(await switchTo('acme'), 409, 'auth.same_organization');
  });

  it('is for people who are signed in', async () => {
    const { key } = await product.apiKey(mine, { permissions: ['org:read'] });
    const asKey = await product.post('/auth/switch', { organization: 'platform' }, { token: key });
    expectStatus(asKey, 403, 'auth.sessions_only');
    expectStatus(await product.post('/auth/switch', { organization: 'platform' }), 401);
    expectStatus(await switchTo('Not A Slug'), 400, 'http.invalid_input');
    await product.delete(`/auth/sessions/${mine.session.id}`, { token: mine.accessToken });
    expectStatus(await switchTo('platform'), 401, 'auth.session_ended');
  });
});
