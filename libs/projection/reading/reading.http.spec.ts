import { createPublicKey } from 'node:crypto';
import jsonwebtoken from 'jsonwebtoken';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '#database';
import {
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { SurfaceInTest } from '../../../test/kit/surfaces.ts';
import { Sweep } from '../history/sweep.ts';
import { Projections } from '#projection';

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

const me = (): Ask => ({ token: admin.accessToken });
const get = (path: string) => product.get(path, me());
const now = (): string => product.clock.now().toISOString();
// oxlint-disable-next-line typescript/no-explicit-any
const history = async (): Promise<any[]> => expectStatus(await get(`${portal.path}/history`), 200).items;
const sweep = (): Promise<void> => product.app.get(Sweep, { strict: false }).recordExpired();

describe('a cached copy', () => {
  it('expires with the first fact, and never lives longer than ten seconds', async () => {
    await portal.tellAll({ ttlSeconds: 100 });
    const { headers, body } = await get(portal.path);
    expect(headers['cache-control']).toBe('private, max-age=10, must-revalidate');
    // Of one browser that two people use, each sees what was answered to them.
    expect(headers['vary']).toBe('authorization, x-api-key');
    const observed = body.conditions.map((one: { staleAfter: string }) => Date.parse(one.staleAfter));
    expect(Date.parse(body.validUntil)).toBe(Math.min(...observed));
    product.clock.advance(95_000);
    const age = /max-age=(\d+)/.exec(String((await get(portal.path)).headers['cache-control']))?.[1];
    expect(Number(age)).toBeLessThanOrEqual(5);
  });

  it('is still good where its tag is, and not after anything has changed, time included', async () => {
    await portal.tellAll({ ttlSeconds: 100 });
    const first = await get(portal.path);
    const tag = String(first.headers['etag']);
    const again = (): ReturnType<typeof get> =>
      product.get(portal.path, { ...me(), headers: { 'if-none-match': `"other", ${tag}` } });
    const same = await again();
    expect([same.status, same.raw.length, same.headers['etag']]).toEqual([304, 0, tag]);
    expect(same.headers['cache-control']).toContain('max-age');
    await portal.tell('auth', portal.fact('auth', { breakGlass: true }));
    expect(expectStatus(await again(), 200).verdict).toBe('review-required');
    await portal.tellAll({ ttlSeconds: 100 });
    const ready = String((await get(portal.path)).headers['etag']);
    product.clock.advance(101_000);
    const stale = await product.get(portal.path, { ...me(), headers: { 'if-none-match': ready } });
    expect(expectStatus(stale, 200).verdict).toBe('blocked');
  });

  it('is refused, tag or not, to who may not read', async () => {
    const tag = String((await get(portal.path)).headers['etag']);
    expectStatus(await product.get(portal.path, { headers: { 'if-none-match': tag } }), 401);
  });
});

describe('the list', () => {
  it('has every surface, by pages, and by verdict as it is now', async () => {
    const all = new Set<string>();
    for (let cursor = ''; ;) {
      const page = expectStatus(await get(`${portal.org}/projections?limit=2${cursor}`), 200);
      for (const { surfaceId } of page.items) all.add(surfaceId);
      if (page.next === undefined) break;
      cursor = `&cursor=${page.next}`;
    }
    const [row] = await product.sql('SELECT count(*)::int AS n FROM portcullis.surfaces WHERE org_id = $1', [
      admin.organization.id,
    ]);
    expect(all.size).toBe(row!['n']);
    const ids = async (verdict: string): Promise<string[]> =>
      expectStatus(await get(`${portal.org}/projections?verdict=${verdict}&limit=100`), 200).items.map(
        (one: { surfaceId: string }) => one.surfaceId,
      );
    expect(await ids('blocked')).toContain(portal.id);
    await portal.tellAll({ ttlSeconds: 100 });
    expect(await ids('ready')).toContain(portal.id);
    product.clock.advance(101_000);
    expect(await ids('ready')).not.toContain(portal.id);
    expect(await ids('blocked')).toContain(portal.id);
    expectStatus(await get(`${portal.org}/projections?verdict=fine`), 400, 'http.invalid_input');
  });
});

describe('the history', () => {
  it('has the cause of every change, and only changes', async () => {
    await portal.tellAll({ ttlSeconds: 100 });
    // Told anew and nothing else: no line.
    await portal.tellAll({ ttlSeconds: 100 });
    const items = await history();
    expect(
      items.map(({ cause, fromVerdict, verdict }) => [cause.type, cause.kind, fromVerdict, verdict]),
    ).toEqual([
      ['fact', 'runtime', 'blocked', 'ready'],
      ['fact', 'auth', 'blocked', 'blocked'],
      ['fact', 'rights', 'blocked', 'blocked'],
      ['surface', undefined, null, 'blocked'],
    ]);
    expect(items[0].changes).toContainEqual({ path: 'verdict', from: 'blocked', to: 'ready' });
    const records = await product.records(admin.organization.id, 'projection.changed');
    const ours = records.filter(({ target }) => target.id === portal.id);
    expect(ours.at(-1)).toMatchObject({
      reason: 'fact',
      actor: { type: 'api_key', id: portal.owners.runtime.keyId },
      changes: { verdict: { from: 'blocked', to: 'ready' }, reasons: { to: [] } },
      request: { id: items[0].cause.requestId },
    });
    expect(ours).toHaveLength(4);
  });

  it('shows an expiry before anybody has recorded it, at its own moment, and once after', async () => {
    await portal.tellAll({ ttlSeconds: 100 });
    const { validUntil } = await portal.read();
    product.clock.advance(150_000);
    const [shown, before] = await history();
    expect(shown).toMatchObject({
      id: null,
      at: validUntil,
      cause: { type: 'expiry' },
      fromVerdict: 'ready',
    });
    expect(before.verdict).toBe('ready');
    await sweep();
    const after = await history();
    expect(after[0]).toEqual({ ...shown, id: after[0].id });
    expect(after.every(({ id }) => id !== null)).toBe(true);
    const length = after.length;
    await sweep();
    expect(await history()).toHaveLength(length);
    const records = await product.records(admin.organization.id, 'projection.changed');
    expect(records.findLast(({ target }) => target.id === portal.id)).toMatchObject({
      reason: 'expiry',
      actor: { type: 'system', id: 'projection' },
    });
  });

  it('records what had expired before the fact that mends it', async () => {
    await portal.tellAll({ ttlSeconds: 100 });
    const { validUntil } = await portal.read();
    product.clock.advance(150_000);
    await portal.tell('rights', portal.fact('rights'));
    const items = await history();
    expect(items[0].cause).toMatchObject({ type: 'fact', kind: 'rights' });
    expect(items[1]).toMatchObject({ at: validUntil, cause: { type: 'expiry' }, verdict: 'blocked' });
  });

  it('tells since when each condition is as it is', async () => {
    await portal.tellAll({ ttlSeconds: 100 });
    const at = (await portal.read()).conditions[0].lastTransitionTime;
    product.clock.advance(20_000);
    await portal.tellAll({ ttlSeconds: 100 });
    const found = await portal.read();
    expect(found.conditions[0].lastTransitionTime).toBe(at);
    product.clock.advance(150_000);
    expect((await portal.read()).conditions[0].lastTransitionTime).toBe(found.conditions[0].staleAfter);
  });
});

describe('the difference between two moments', () => {
  it('is what is not the same, recorded or not', async () => {
    const created = now();
    await portal.tellAll({ ttlSeconds: 100 });
    const ready = now();
    product.clock.advance(150_000);
    const stale = now();
    const diff = async (from: string, to: string) =>
      expectStatus(await get(`${portal.path}/diff?from=${from}&to=${to}`), 200);
    expect(await diff(created, ready)).toMatchObject({ fromVerdict: 'blocked', toVerdict: 'ready' });
    const aged = await diff(ready, stale);
    expect(aged).toMatchObject({ fromVerdict: 'ready', toVerdict: 'blocked' });
    expect(aged.changes).toContainEqual({
      path: 'conditions.RightsCurrent',
      from: 'True satisfied',
      to: 'Unknown stale_projection',
    });
    expect(aged.changes).toContainEqual({ path: 'effective.authMode', from: 'oidc', to: 'oidc (stale)' });
    await sweep();
    expect(await diff(ready, stale)).toEqual(aged);
  });

  it('of moments that there are not is refused', async () => {
    const at = now();
    const later = new Date(Date.parse(at) + 60_000).toISOString();
    const diff = (from: string, to: string) => get(`${portal.path}/diff?from=${from}&to=${to}`);
    expectStatus(await diff(at, at), 400, 'projection.bad_range');
    expectStatus(await diff(at, later), 400, 'projection.bad_range');
    expectStatus(await diff('2020-01-01T00:00:00Z', at), 404, 'projection.no_moment');
    expectStatus(await get(`${portal.path}/diff?from=${at}`), 400, 'http.invalid_input');
  });
});

describe('the document', () => {
  const verify = async (document: string): Promise<jsonwebtoken.JwtPayload> => {
    const { keys } = expectStatus(await product.get('/.well-known/jwks.json'), 200);
    const { header } = jsonwebtoken.decode(document, { complete: true })!;
    const key = keys.find(({ kid }: { kid: string }) => kid === header.kid);
    return jsonwebtoken.verify(document, createPublicKey({ key, format: 'jwk' }), {
      algorithms: ['ES256'],
      clockTimestamp: Math.floor(product.clock.now().getTime() / 1_000),
    }) as jsonwebtoken.JwtPayload;
  };

  it('can be verified offline, and ends when the verdict does', async () => {
    await portal.tellAll({ ttlSeconds: 100 });
    const answer = await get(`${portal.path}/document`);
    expect(answer.headers['content-type']).toMatch(/^application\/jose/);
    const document = String(answer.body);
    const claims = await verify(document);
    const { validUntil } = await portal.read();
    expect(claims).toMatchObject({
      sub: portal.id,
      aud: admin.organization.id,
      verdict: 'ready',
      reasons: [],
      exp: Math.floor(Date.parse(validUntil) / 1_000),
    });
    const [head, body, signature] = document.split('.');
    const better = Buffer.from(JSON.stringify({ ...claims, exp: claims.exp! + 999 })).toString('base64url');
    await expect(verify(`${head}.${better}.${signature}`)).rejects.toThrow('invalid signature');
    await expect(verify(`${head}.${body}.${signature}`)).resolves.toBeDefined();
    product.clock.advance(101_000);
    await expect(verify(document)).rejects.toThrow('jwt expired');
  });

  it('lives no longer than an access token, however long the facts do', async () => {
    await portal.tellAll({ ttlSeconds: 86_400 });
    const claims = await verify(String((await get(`${portal.path}/document`)).body));
    expect(claims.exp! - claims.iat!).toBe(300);
    expect(Date.parse(claims['validUntil'])).toBeGreaterThan(claims.exp! * 1_000);
  });

  it('is no access token', async () => {
    const document = String((await get(`${portal.path}/document`)).body);
    expectStatus(await product.get('/auth/me', { token: document }), 401, 'auth.invalid_token');
  });
});

describe('another room', () => {
  it('asks for a verdict in a transaction of its own', async () => {
    await portal.tellAll({ ttlSeconds: 100 });
    const projections = product.app.get(Projections, { strict: false });
    const caller = {
      kind: 'user' as const,
      id: admin.user.id,
      userId: admin.user.id,
      sessionId: admin.session.id,
      org: {
        id: admin.organization.id,
        slug: 'acme',
        name: '',
        kind: 'tenant' as const,
        status: 'active' as const,
        createdAt: '',
      },
      permissions: new Set<string>(),
      assured: true,
      request: { id: 'x', method: '-', route: '-' },
    };
    const of = (id: string) => product.app.get(Database).inOrg(caller, (tx) => projections.of(tx, id));
    const { validUntil } = await portal.read();
    expect(await of(portal.id)).toMatchObject({ verdict: 'ready', validUntil: Date.parse(validUntil) });
    expect(await of(admin.user.id)).toBeUndefined();
  });
});

describe('the reasons', () => {
  it('are served with what they mean, who must act and what to do', async () => {
    const { items } = expectStatus(await get('/projection/reasons'), 200);
    expect(items.length).toBeGreaterThan(25);
    expect(items).toContainEqual(
      expect.objectContaining({ code: 'stale_projection', verdict: 'blocked', actor: 'owner of the fact' }),
    );
  });
});
