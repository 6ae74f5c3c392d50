import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';
import { makeOwner, SurfaceInTest } from '../../test/kit/surfaces.ts';

let product: AppInProcess;
let admin: SignedIn;
let portal: SurfaceInTest;
let made = 0;

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner, 'acme');
  portal = await SurfaceInTest.make(product, admin);
});
beforeEach(async () => {
  product.clock.reset();
  made += 1;
  portal = await portal.sibling(`portal-${made}`);
});
afterAll(() => product.close());

describe('a surface', () => {
  it('that can be seen and of which nobody has told anything is blocked', async () => {
    expect(await portal.verdict()).toEqual(['blocked', 'missing_input']);
  });

  it('of which every owner tells that it is as desired is ready', async () => {
    await portal.tellAll();
    const found = await portal.read();
    expect(found).toMatchObject({
      verdict: 'ready',
      reasons: [],
      authMode: { desired: 'oidc', effective: 'oidc', stale: false },
      adminPosture: { desired: 'admin_capable', effective: 'admin_capable', stale: false },
      generation: 1,
    });
    const open = found.conditions.filter(({ status }: { status: string }) => status !== 'True');
    // Nothing was told of evidence, which only advises here.
    expect(open).toMatchObject([
      { type: 'EvidenceAttached', severity: 'advisory', reason: 'evidence_missing' },
    ]);
  });
});

describe('fails closed: a surface', () => {
  it('whose projection is stale is blocked, and what was last known is shown as stale', async () => {
    product.clock.hold();
    await portal.tellAll({ ttlSeconds: 100 });
    product.clock.advance(90_000);
    expect((await portal.verdict())[0]).toBe('ready');
    product.clock.advance(10_000);
    const found = await portal.read();
    expect([found.verdict, ...found.reasons]).toEqual(['blocked', 'stale_projection']);
    expect(found.authMode).toEqual({ desired: 'oidc', effective: 'oidc', stale: true });
    expect(found.conditions[0]).toMatchObject({ type: 'RightsCurrent', status: 'Unknown' });
  });

  it('whose session is planned is blocked', async () => {
    await portal.tellAll();
    expectStatus(await portal.tell('auth', portal.fact('auth', { sessionHandoff: 'planned_not_live' })), 200);
    expect(await portal.verdict()).toEqual(['blocked', 'session_planned_not_live']);
  });

  it('whose session contract is not materialized in the runtime is blocked', async () => {
    await portal.tellAll();
    expectStatus(await portal.tell('runtime', portal.fact('runtime', { sessionMaterialized: false })), 200);
    expect(await portal.verdict()).toEqual(['blocked', 'session_shape_not_materialized']);
  });

  it.each([
    ['local', 'local_auth_needs_normalization'],
    ['host_local', 'local_auth_needs_normalization'],
    ['bridge', 'bridge_auth_needs_normalization'],
  ])('whose %s authentication needs normalization is for review', async (authMode, reason) => {
    await portal.tellAll();
    expectStatus(await portal.tell('auth', portal.fact('auth', { authMode, normalized: false })), 200);
    expect(await portal.verdict()).toEqual(['review-required', reason]);
  });

  it('whose runtime is there, materialized from other rights than those that hold, is blocked', async () => {
    await portal.tellAll();
    expectStatus(await portal.tell('rights', portal.fact('rights', { rightsRevision: 'r2' })), 200);
    expect(await portal.verdict()).toEqual(['blocked', 'runtime_without_aligned_rights']);
    expectStatus(await portal.tell('runtime', portal.fact('runtime', { rightsRevision: 'r2' })), 200);
    expect(await portal.verdict()).toEqual(['ready']);
  });

  it('whose runtime is there before any rights are is blocked', async () => {
    expectStatus(await portal.tell('runtime', portal.fact('runtime')), 200);
    expect(await portal.verdict()).toEqual(['blocked', 'missing_input']);
  });
});

describe('what was told', () => {
  it('counts as behind once something else is desired, until it is told again', async () => {
    await portal.tellAll();
    expect((await portal.read()).generation).toBe(1);
    const body = { requireEvidence: true };
    const path = `${portal.org}/surfaces/${portal.id}`;
    expectStatus(await product.ask('PATCH', path, { token: admin.accessToken, body }), 200);
    expect(await portal.verdict()).toEqual(['review-required', 'evidence_missing', 'generation_behind']);
    await portal.tellAll({ evidence: { run: 'https://ci.example/1' } });
    expect(await portal.verdict()).toEqual(['ready']);
  });

  it('counts for nothing once its authority has ended, and not for another owner', async () => {
    const own = await makeOwner(product, admin, 'auth', { surfaceId: portal.id });
    await portal.tell('rights', portal.fact('rights'));
    await portal.tell('runtime', portal.fact('runtime'));
    expectStatus(
      await portal.tell('auth', portal.fact('auth'), portal.owners.auth.key),
      403,
      'projection.not_owner',
    );
    expectStatus(await portal.tell('auth', portal.fact('auth'), own.key), 200);
    expect(await portal.verdict()).toEqual(['ready']);
    expectStatus(
      await product.delete(`${portal.org}/authorities/${own.authorityId}`, { token: admin.accessToken }),
      204,
    );
    expect(await portal.verdict()).toEqual(['blocked', 'owner_changed']);
    expectStatus(await portal.tell('auth', portal.fact('auth'), own.key), 403, 'projection.not_owner');
    expectStatus(await portal.tell('auth', portal.fact('auth')), 200);
    expect(await portal.verdict()).toEqual(['ready']);
  });

  it('counts for nothing once the service account of its owner is deleted', async () => {
    const own = await makeOwner(product, admin, 'auth', { surfaceId: portal.id });
    await portal.tell('rights', portal.fact('rights'));
    await portal.tell('runtime', portal.fact('runtime'));
    await portal.tell('auth', portal.fact('auth'), own.key);
    expect(await portal.verdict()).toEqual(['ready']);
    const path = `${portal.org}/service-accounts/${own.accountId}`;
    expectStatus(await product.delete(path, { token: admin.accessToken }), 204);
    expect(await portal.verdict()).toEqual(['blocked', 'owner_missing']);
  });
});
