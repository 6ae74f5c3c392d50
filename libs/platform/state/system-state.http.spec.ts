import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Audit, Forks } from '#audit';
import { InvalidationStream } from '#database';
import {
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { SystemState } from './system-state.ts';
import { SystemWatch, WatchConfig } from './system-watch.ts';

let product: AppInProcess;
let operator: SignedIn;
let admin: SignedIn;

beforeAll(async () => {
  product = await startApp();
  operator = await product.signIn(owner, 'platform');
  admin = await product.signIn(owner, 'acme');
});
beforeEach(() => order('operational'));
afterEach(async () => {
  vi.restoreAllMocks();
  await watch().look();
});
afterAll(() => product.close());

const as = (who: SignedIn): Ask => ({ token: who.accessToken });
const watch = (): SystemWatch => product.app.get(SystemWatch, { strict: false });
async function order(state: string, reason = 'a test of the restore') {
  return expectStatus(await product.post('/platform/system-state', { state, reason }, as(operator)), 200);
}
let made = 0;
const change = () => {
  made += 1;
  return product.post(
    `/orgs/${admin.organization.id}/roles`,
    { name: `r${made}`, permissions: [] },
    as(admin),
  );
};

describe('an operator', () => {
  it('makes the system read-only: changes are refused with the reason, reads go on', async () => {
    expectStatus(await change(), 201);
    expect(await order('read-only', 'moving the database')).toMatchObject({
      state: 'read-only',
      reasons: [{ code: 'operator', detail: 'moving the database' }],
      orderedBy: operator.user.id,
    });
    const refused = await change();
    expect(expectStatus(refused, 503, 'system.read_only').data.reasons).toEqual([
      { code: 'operator', detail: 'moving the database' },
    ]);
    expect(refused.headers['retry-after']).toBe('30');
    expectStatus(await product.get(`/orgs/${admin.organization.id}/roles`, as(admin)), 200);
    expectStatus(await product.get('/auth/me', as(admin)), 200);
    expect(await order('operational')).toEqual({ state: 'operational', reasons: [] });
    expectStatus(await change(), 201);
  });

  it('is on record with the reason, each time', async () => {
    await order('read-only', 'one');
    await order('read-only', 'two');
    await order('operational', 'done');
    await order('operational', 'done again');
    const records = (await product.records(operator.organization.id)).filter(({ action }) =>
      String(action).startsWith('system.made_'),
    );
    expect(records.slice(-3).map(({ action, changes }) => [action, changes.reason])).toEqual([
      ['system.made_read_only', { to: 'one' }],
      ['system.made_read_only', { from: 'one', to: 'two' }],
      ['system.made_operational', { from: 'two', to: 'done' }],
    ]);
  });

  it('needs the permission, and a proof that is fresh', async () => {
    const body = { state: 'read-only', reason: 'x' };
    expectStatus(await product.post('/platform/system-state', body, as(admin)), 403, 'access.denied');
    product.clock.advance(301_000);
    try {
      const again = await product.post('/auth/refresh', { refreshToken: operator.refreshToken });
      operator = expectStatus(again, 200);
      expectStatus(
        await product.post('/platform/system-state', body, as(operator)),
        401,
        'auth.step_up_required',
      );
    } finally {
      product.clock.reset();
      operator = await product.signIn(owner, 'platform');
      admin = await product.signIn(owner, 'acme');
    }
  });

  it('is obeyed by a process whose lease has run out too: it asks', async () => {
    await order('read-only');
    const stream = product.app.get(InvalidationStream, { strict: false });
    vi.spyOn(stream, 'isFresh', 'get').mockReturnValue(false);
    expectStatus(await change(), 503, 'system.read_only');
  });
});

describe('while the system is read-only', () => {
  it('people sign in and out, and authority ends', async () => {
    const member = { email: `mia-${made}@acme.example`, name: 'Mia', password: 'a third battery staple 3' };
    const userId = await product.addMember(admin, member, 'viewer');
    const { id: keyId } = await product.apiKey(admin, { permissions: ['org:read'] });
    const bob = await product.signIn(member, 'acme');
    await order('read-only');
    const mia = await product.signIn(member, 'acme');
    expectStatus(await product.post('/auth/refresh', { refreshToken: mia.refreshToken }), 200);
    expectStatus(await product.post('/auth/logout', undefined, as(mia)), 204);
    const org = `/orgs/${admin.organization.id}`;
    expectStatus(await product.delete(`${org}/sessions/${bob.session.id}`, as(admin)), 204);
    expectStatus(await product.get('/auth/me', as(bob)), 401);
    expectStatus(await product.delete(`${org}/api-keys/${keyId}`, as(admin)), 204);
    expectStatus(await product.delete(`${org}/members/${userId}`, as(admin)), 204);
  });

  it('nothing else changes anything: every other route that may is refused', async () => {
    const { paths } = expectStatus(await product.get('/openapi.json'), 200);
    await order('read-only');
    const passed: string[] = [];
    let refused = 0;
    for (const [path, operations] of Object.entries<object>(paths)) {
      if (!path.startsWith('/api/v1/')) continue;
      for (const method of Object.keys(operations).filter((one) => one !== 'get')) {
        const asked = path.slice('/api/v1'.length).replaceAll('{orgId}', admin.organization.id);
        // Without a credential: the state of the system is asked before who it is.
        const { status, body } = await product.ask(method.toUpperCase(), asked);
        if (status === 503 && body.code === 'system.read_only') refused += 1;
        else passed.push(`${method.toUpperCase()} ${path}`);
      }
    }
    expect(refused).toBeGreaterThan(40);
    expect(passed.sort()).toMatchInlineSnapshot(`
      [
        "DELETE /api/v1/auth/sessions",
        "DELETE /api/v1/auth/sessions/{sessionId}",
        "DELETE /api/v1/orgs/{orgId}/api-keys/{keyId}",
        "DELETE /api/v1/orgs/{orgId}/authorities/{authorityId}",
        "DELETE /api/v1/orgs/{orgId}/invitations/{invitationId}",
        "DELETE /api/v1/orgs/{orgId}/members/{userId}",
        "DELETE /api/v1/orgs/{orgId}/members/{userId}/sessions",
        "DELETE /api/v1/orgs/{orgId}/service-accounts/{accountId}",
        "DELETE /api/v1/orgs/{orgId}/sessions/{sessionId}",
        "DELETE /api/v1/platform/signing-keys/{kid}",
        "PATCH /api/v1/users/{userId}",
        "POST /api/v1/auth/api-keys/revoke",
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/login/passkey",
        "POST /api/v1/auth/login/verify",
        "POST /api/v1/auth/logout",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/step-up",
        "POST /api/v1/auth/switch",
        "POST /api/v1/orgs/{orgId}/sessions/revoke",
        "POST /api/v1/orgs/{orgId}/suspend",
        "POST /api/v1/platform/audit-forks/{organizationId}/acknowledge",
        "POST /api/v1/platform/system-state",
        "POST /api/v1/setup",
      ]
    `);
  });
});

describe('the system makes itself read-only', () => {
  it('where the disk of the data directory is nearly full, until it is not', async () => {
    const { state, database, audit, forks } = watch() as unknown as Record<string, never>;
    const full = new SystemWatch(new WatchConfig('/', 1_048_576 * 1_024), state!, database!, audit!, forks!);
    await full.look();
    expect(expectStatus(await change(), 503, 'system.read_only').data.reasons).toMatchObject([
      { code: 'disk_nearly_full' },
    ]);
    // An order does not end what was found.
    expect((await order('operational')).state).toBe('read-only');
    await new SystemWatch(new WatchConfig('/', 1), state!, database!, audit!, forks!).look();
    expectStatus(await change(), 201);
  });

  it('where the audit log takes no records', async () => {
    vi.spyOn(product.app.get(Audit, { strict: false }), 'record').mockRejectedValue(new Error('no space'));
    await watch().look();
    vi.restoreAllMocks();
    expect(expectStatus(await change(), 503, 'system.read_only').data.reasons).toMatchObject([
      { code: 'audit_unwritable' },
    ]);
    await watch().look();
    expectStatus(await change(), 201);
  });

  it('where a log is behind what was published of it, as after a restore', async () => {
    vi.spyOn(product.app.get(Forks, { strict: false }), 'areOpen').mockResolvedValue(true);
    await watch().look();
    expect(expectStatus(await change(), 503, 'system.read_only').data.reasons).toMatchObject([
      { code: 'restored_behind' },
    ]);
    expectStatus(await product.get('/auth/me', as(admin)), 200);
  });

  it('and leaves no record of having tried', async () => {
    const count = async () => (await product.records(operator.organization.id)).length;
    const before = await count();
    await watch().look();
    expect(await count()).toBe(before);
    expect(await product.app.get(SystemState).readOnlyReasons()).toEqual([]);
  });
});
