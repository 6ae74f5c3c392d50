import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';

let app: AppInProcess;
let admin: SignedIn;
let path: string;

beforeAll(async () => {
  app = await startApp();
});
beforeEach(async () => {
  await app.change('DELETE FROM portcullis.org_policies');
  admin = await app.signIn(owner, 'acme');
  path = `/orgs/${admin.organization.id}/policy`;
});
afterAll(() => app.close());

const patch = (body: unknown, ask: object = {}) =>
  app.ask('PATCH', path, { token: admin.accessToken, body, ...ask });

describe('the policy of an organization', () => {
  it('is read with its defaults filled in, and changed in parts', async () => {
    expect(expectStatus(await app.get(path, { token: admin.accessToken }), 200)).toMatchObject({
      password: { minLength: 8 },
      mfa: 'optional',
    });
    expectStatus(await patch({ password: { minLength: 15 }, session: { idleSeconds: 600 } }), 200);
    const after = expectStatus(await patch({ session: { maxConcurrent: 3 } }), 200);
    expect(after).toMatchObject({
      password: { minLength: 15 },
      session: { idleSeconds: 600, absoluteSeconds: 43_200, maxConcurrent: 3 },
    });
    const records = await app.records(admin.organization.id, 'policy.changed');
    expect(records.at(-1).changes).toEqual({ 'session.maxConcurrent': { from: null, to: 3 } });
  });

  it('is refused, with the path of each fault, where it is not valid', async () => {
    const ranges = expectStatus(await patch({ limits: { perDevice: 1 }, session: { idleSeconds: 1 } }), 400);
    expect(ranges.errors.map((one: { path: string }) => one.path).sort()).toEqual([
      'limits.perDevice',
      'session.idleSeconds',
    ]);
    const lists = expectStatus(
      await patch({ allowedCidrs: ['10.0.0.0/8', 'x'], allowedEmailDomains: ['ACME.example'] }),
      400,
      'auth.bad_policy',
    );
    expect(lists.errors.map((one: { path: string }) => one.path)).toEqual([
      'allowedCidrs[1]',
      'allowedEmailDomains[0]',
    ]);
  });

  it('cannot lock out whoever sets it', async () => {
    const away = expectStatus(await patch({ allowedCidrs: ['192.0.2.0/24'] }), 409, 'auth.policy_locks_out');
    expect(away.data).toEqual({ setting: 'allowedCidrs' });
    const factor = expectStatus(await patch({ mfa: 'required' }), 409, 'auth.policy_locks_out');
    expect(factor.data).toEqual({ setting: 'mfa' });
    expect(expectStatus(await app.get(path, { token: admin.accessToken }), 200).mfa).toBe('optional');
  });

  it('wants a fresh proof to be changed', async () => {
    app.clock.advance(301_000);
    try {
      // Refreshed, for the access token has run out too; a refresh proves nothing anew.
      const { accessToken } = expectStatus(
        await app.post('/auth/refresh', { refreshToken: admin.refreshToken }),
        200,
      );
      expectStatus(await patch({ mfa: 'optional' }, { token: accessToken }), 401, 'auth.step_up_required');
    } finally {
      app.clock.reset();
    }
    expectStatus(await patch({ mfa: 'optional' }), 200);
    expectStatus(await patch({}), 200);
  });

  it('holds for sessions and keys on their next request: addresses', async () => {
    const { key } = await app.apiKey(admin, { permissions: ['org:read'] });
    const org = `/orgs/${admin.organization.id}`;
    expectStatus(await patch({ allowedCidrs: ['127.0.0.0/8'] }), 200);
    for (const token of [admin.accessToken, key]) {
      expectStatus(await app.get(org, { token }), 200);
      expectStatus(await app.get(org, { token, ip: '192.0.2.7' }), 403, 'auth.address_not_allowed');
    }
  });

  it('holds for sessions on their next request: second factors, own matters aside', async () => {
    const org = `/orgs/${admin.organization.id}`;
    expectStatus(await app.get(org, { token: admin.accessToken }), 200);
    await app.change(`INSERT INTO portcullis.org_policies VALUES ($1, '{"mfa": "required"}')`, [
      admin.organization.id,
    ]);
    expectStatus(await app.get(org, { token: admin.accessToken }), 401, 'auth.step_up_required');
    expectStatus(await app.get('/auth/me', { token: admin.accessToken }), 200);
  });

  it('of one organization does not bind another', async () => {
    await app.change(`INSERT INTO portcullis.org_policies VALUES ($1, '{"mfa": "phishing-resistant"}')`, [
      admin.organization.id,
    ]);
    const platform = await app.signIn(owner, 'platform');
    expectStatus(await app.get(`/orgs/${platform.organization.id}`, { token: platform.accessToken }), 200);
  });
});
