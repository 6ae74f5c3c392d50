import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '#kernel';
import {
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { factKinds, makeOwner, makeSurface, SurfaceInTest } from '../../../test/kit/surfaces.ts';
import { rankOf } from '../verdict/reasons.ts';

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
  made += 1;
  portal = await portal.sibling(`portal-${made}`);
});
afterEach(() => product.clock.reset());
afterAll(() => product.close());

const rowsOf = async (surface: SurfaceInTest): Promise<number> => {
  const [row] = await product.sql(
    'SELECT count(*)::int AS n FROM portcullis.surface_facts WHERE surface_id = $1',
    [surface.id],
  );
  return row!['n'];
};
const as = (who: SignedIn) => ({ token: who.accessToken });

describe('a kind of truth', () => {
  it('is told by its owner alone; everybody else is refused, and that is on record', async () => {
    for (const kind of factKinds) {
      for (const other of factKinds.filter((one) => one !== kind)) {
        const refused = await portal.tell(kind, portal.fact(kind), portal.owners[other].key);
        expect(expectStatus(refused, 403, 'projection.not_owner').data).toEqual({ kind });
      }
      // Not even by who may do everything.
      expectStatus(
        await portal.tell(kind, portal.fact(kind), admin.accessToken),
        403,
        'projection.not_owner',
      );
    }
    expect(await rowsOf(portal)).toBe(0);
    expect(await portal.verdict()).toEqual(['blocked', 'missing_input']);
    const records = await product.records(admin.organization.id, 'fact.refused');
    expect(records.filter(({ target }) => target.id === portal.id).length).toBeGreaterThan(0);
    expect(records[0]).toMatchObject({
      outcome: 'denied',
      reason: 'projection.not_owner',
      actor: { type: 'api_key' },
      target: { type: 'surface' },
    });
  });

  it('is told no more once the key of its owner is revoked, and the posture only ages', async () => {
    const own = await makeOwner(product, admin, 'auth', { surfaceId: portal.id });
    await portal.tell('rights', portal.fact('rights'));
    await portal.tell('runtime', portal.fact('runtime'));
    expectStatus(await portal.tell('auth', portal.fact('auth', {}, { ttlSeconds: 60 }), own.key), 200);
    expect(await portal.verdict()).toEqual(['ready']);
    expectStatus(await product.delete(`${portal.org}/api-keys/${own.keyId}`, as(admin)), 204);
    expectStatus(await portal.tell('auth', portal.fact('auth'), own.key), 401, 'auth.invalid_api_key');
    product.clock.advance(60_000);
    expect(await portal.verdict()).toEqual(['blocked', 'stale_projection']);
  });

  it('has one owner: a second one for the same surfaces is refused', async () => {
    const { id } = expectStatus(
      await product.post(`${portal.org}/service-accounts`, { name: `second ${made}` }, as(admin)),
      201,
    );
    const body = { kind: 'auth', name: 'second', serviceAccountId: id };
    const refused = await product.post(`${portal.org}/authorities`, body, as(admin));
    expect(expectStatus(refused, 409, 'projection.owner_exists').data).toEqual({
      authorityId: portal.owners.auth.authorityId,
    });
    expectStatus(
      await product.post(`${portal.org}/authorities`, { ...body, serviceAccountId: newId() }, as(admin)),
      404,
      'projection.bad_service_account',
    );
  });
});

describe('a fact', () => {
  it('is kept as it was told, with its digest and a record that names the digest', async () => {
    const body = portal.fact('auth', {}, { evidence: { report: 'sha256:abc' } });
    const told = expectStatus(await portal.tell('auth', body), 200);
    expect(told).toMatchObject({
      surfaceId: portal.id,
      kind: 'auth',
      authorityId: portal.owners.auth.authorityId,
      revision: body['revision'],
      data: body['data'],
      evidence: { report: 'sha256:abc' },
      conflicting: false,
    });
    expect(told.digest).toMatch(/^[0-9a-f]{64}$/);
    const records = await product.records(admin.organization.id, 'fact.told');
    expect(records.at(-1)).toMatchObject({
      target: { type: 'surface', id: portal.id },
      changes: { digest: { to: told.digest }, revision: { to: body['revision'] } },
    });
    const list = expectStatus(await product.get(`${portal.org}/surfaces/${portal.id}/facts`, as(admin)), 200);
    expect(list.items).toEqual([told]);
  });

  it('told again is the same fact', async () => {
    const body = portal.fact('auth');
    const first = expectStatus(await portal.tell('auth', body), 200);
    const again = expectStatus(await portal.tell('auth', body), 200);
    expect(again).toEqual(first);
    expect(await rowsOf(portal)).toBe(1);
  });

  it('under a revision that had another content blocks the surface until a higher revision is told', async () => {
    await portal.tellAll();
    const body = portal.fact('auth');
    expectStatus(await portal.tell('auth', body), 200);
    const other = { ...body, ttlSeconds: 601 };
    const refused = await portal.tell('auth', other);
    expect(expectStatus(refused, 409, 'projection.revision_conflict').data).toEqual({
      revision: body['revision'],
    });
    expect(await portal.verdict()).toEqual(['blocked', 'owner_conflict']);
    // The first content told again does not undo it, nor does a third.
    expectStatus(await portal.tell('auth', body), 200);
    expectStatus(await portal.tell('auth', { ...body, ttlSeconds: 602 }), 409);
    expect(await portal.verdict()).toEqual(['blocked', 'owner_conflict']);
    const records = await product.records(admin.organization.id, 'fact.conflicted');
    expect(records.filter(({ target }) => target.id === portal.id)).toMatchObject([{ outcome: 'failure' }]);
    expectStatus(await portal.tell('auth', portal.fact('auth')), 200);
    expect(await portal.verdict()).toEqual(['ready']);
  });

  it('is one even where it is told by many at once', async () => {
    const body = portal.fact('auth');
    const contents = Array.from({ length: 6 }, (_, n) => ({ ...body, ttlSeconds: 600 + (n % 2) }));
    const answers = await Promise.all(contents.map((one) => portal.tell('auth', one)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    expect(statuses.filter((status) => status === 409)).toHaveLength(3);
    // The fact and the first of the conflicting ones.
    expect(await rowsOf(portal)).toBe(2);
  });

  it('cannot be changed or taken back, not by the roles of the product', async () => {
    expectStatus(await portal.tell('auth', portal.fact('auth')), 200);
    const [grants] = await product.sql(
      `SELECT string_agg(DISTINCT grantee || ' ' || privilege_type, ', ' ORDER BY grantee || ' ' || privilege_type) AS all
         FROM information_schema.table_privileges
        WHERE table_name = 'surface_facts' AND grantee LIKE 'portcullis_%' AND grantee <> 'portcullis_owner'`,
    );
    expect(grants!['all']).toBe('portcullis_app INSERT, portcullis_app SELECT, portcullis_system SELECT');
  });
});

describe('bad input', () => {
  const bad: [string, 'rights' | 'auth' | 'runtime', object, object, string, string][] = [
    ['an unknown value', 'auth', { authMode: 'telepathy' }, {}, 'projection.bad_fact', 'data.authMode'],
    [
      'an unknown posture',
      'runtime',
      { adminPosture: 'god' },
      {},
      'projection.bad_fact',
      'data.adminPosture',
    ],
    ['a field too many', 'rights', { ready: true }, {}, 'projection.bad_fact', 'data.ready'],
    ['a field of another kind', 'rights', { authMode: 'oidc' }, {}, 'projection.bad_fact', 'data.authMode'],
    ['a field too few', 'auth', { breakGlass: undefined }, {}, 'projection.bad_fact', 'data.breakGlass'],
    ['text for a flag', 'runtime', { materialized: 'true' }, {}, 'projection.bad_fact', 'data.materialized'],
    ['a TTL of zero', 'auth', {}, { ttlSeconds: 0 }, 'http.invalid_input', 'ttlSeconds'],
    ['a negative TTL', 'auth', {}, { ttlSeconds: -60 }, 'http.invalid_input', 'ttlSeconds'],
    ['an absurd TTL', 'auth', {}, { ttlSeconds: 1e12 }, 'http.invalid_input', 'ttlSeconds'],
    ['a revision of zero', 'auth', {}, { revision: 0 }, 'http.invalid_input', 'revision'],
    ['half a revision', 'auth', {}, { revision: 1.5 }, 'http.invalid_input', 'revision'],
    ['no time', 'auth', {}, { observedAt: 'yesterday' }, 'http.invalid_input', 'observedAt'],
    ['a field of the request too many', 'auth', {}, { verdict: 'ready' }, 'http.invalid_input', 'verdict'],
    ['a data of megabytes', 'auth', { tenant: 'x'.repeat(5_000) }, {}, 'http.invalid_input', 'data'],
  ];

  it.each(bad)(
    'of %s is refused, and nothing of it is kept',
    async (_what, kind, data, changes, code, path) => {
      await portal.tellAll();
      const before = [await rowsOf(portal), await portal.verdict()];
      const { errors } = expectStatus(await portal.tell(kind, portal.fact(kind, data, changes)), 400, code);
      expect(errors.map((one: { path: string }) => one.path)).toContain(path);
      expect([await rowsOf(portal), await portal.verdict()]).toEqual(before);
    },
  );

  it('of a fact from the future is refused; the skew of clocks is not the future', async () => {
    const at = (ms: number) => ({ observedAt: new Date(product.clock.now().getTime() + ms).toISOString() });
    expectStatus(
      await portal.tell('auth', portal.fact('auth', {}, at(60_000))),
      400,
      'projection.from_future',
    );
    expect(await rowsOf(portal)).toBe(0);
    expectStatus(await portal.tell('auth', portal.fact('auth', {}, at(10_000))), 200);
  });

  it('of a revision that goes backwards is refused, and says how far the owner was', async () => {
    const older = portal.fact('auth');
    const newer = portal.fact('auth', { normalized: false, authMode: 'local' });
    await portal.tellAll();
    const current = portal.fact('auth', { normalized: false, authMode: 'local' });
    expectStatus(await portal.tell('auth', current), 200);
    for (const one of [older, newer]) {
      const { data } = expectStatus(await portal.tell('auth', one), 409, 'projection.revision_backwards');
      expect(data).toEqual({ revision: current['revision'] });
    }
    expect(await portal.verdict()).toEqual(['review-required', 'local_auth_needs_normalization']);
  });

  it('of another tenant in the data is taken, for it is what the owner tells, and blocks', async () => {
    await portal.tellAll();
    expectStatus(await portal.tell('runtime', portal.fact('runtime', { tenant: 'globex' })), 200);
    expect(await portal.verdict()).toEqual(['blocked', 'tenant_mismatch']);
  });

  it('of a fact that is stale already does not help', async () => {
    await portal.tellAll();
    const observedAt = new Date(product.clock.now().getTime() - 700_000).toISOString();
    expectStatus(await portal.tell('auth', portal.fact('auth', {}, { observedAt })), 200);
    expect(await portal.verdict()).toEqual(['blocked', 'stale_projection']);
  });

  it('of ten thousand facts at once is refused as a whole', async () => {
    const many = Array.from({ length: 10_000 }, () => portal.fact('auth'));
    expectStatus(await portal.tell('auth', many), 413, 'http.too_large');
    expectStatus(await portal.tell('auth', many.slice(0, 100)), 400, 'http.invalid_input');
    const data = Object.fromEntries(many.map((_, n) => [`f${n}`, n]));
    expectStatus(await portal.tell('auth', portal.fact('auth', data)), 400, 'http.invalid_input');
    expect(await rowsOf(portal)).toBe(0);
  });

  it('of another organization’s surface finds nothing there, whoever tells it', async () => {
    const stranger = await product.addTenant(`globex-${made}`, {
      email: `gil-${made}@globex.example`,
      name: 'Gil',
      password: 'another horse battery staple 2',
    });
    const theirs = await makeSurface(product, stranger, 'portal');
    const path = (orgId: string) => `/orgs/${orgId}/surfaces/${theirs}/facts/auth`;
    const body = portal.fact('auth');
    const token = portal.owners.auth.key;
    expectStatus(
      await product.ask('PUT', path(admin.organization.id), { token, body }),
      404,
      'projection.surface_not_found',
    );
    expectStatus(
      await product.ask('PUT', path(stranger.organization.id), { token, body }),
      404,
      'access.not_found',
    );
    const seen = await product.get(`/orgs/${admin.organization.id}/projections/${theirs}`, as(admin));
    expectStatus(seen, 404, 'projection.surface_not_found');
  });

  it('of a kind that there is not is refused', async () => {
    const answer = await product.ask('PUT', `${portal.org}/surfaces/${portal.id}/facts/projection`, {
      token: portal.owners.auth.key,
      body: portal.fact('auth'),
    });
    expectStatus(answer, 400, 'projection.bad_kind');
  });

  it('never makes a posture better than it was', async () => {
    await portal.tell('auth', portal.fact('auth', { authMode: 'local', normalized: false }));
    await portal.tell('rights', portal.fact('rights'));
    await portal.tell('runtime', portal.fact('runtime'));
    const worst = rankOf((await portal.verdict())[0]);
    for (const [, kind, data, changes] of bad) await portal.tell(kind, portal.fact(kind, data, changes));
    expect(rankOf((await portal.verdict())[0])).toBe(worst);
  });
});
