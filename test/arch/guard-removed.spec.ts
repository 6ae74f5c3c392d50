import { generateKeyPairSync } from 'node:crypto';
import type { ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AccessModule, type AccessRequest, PLATFORM, type Route } from '#access';
import { schemaOf } from '#http';
import { type Caller, newId } from '#kernel';
import { type Answer, Harness, type Person } from '../kit/harness.ts';
import { orgTables } from '../kit/sql.ts';
import { callerIn, seedTenant, type SeededTenant } from '../kit/tenants.ts';
import { everything, isGuarded } from './denial-matrix.ts';

/**
 * The second check. The guard is taken away and a caller of our making put in its place, as a bug would do it:
 * what then keeps organizations apart is the database alone.
 */
let harness: Harness;
let victim: SeededTenant;

beforeAll(async () => {
  harness = await Harness.start();
  victim = await seedTenant(harness.database.adminUrl);
});
afterAll(() => harness.stop());

/** Routes that read no row, so there is nothing for the database to refuse. The list may only shrink. */
const withoutStore: Record<string, string> = {
  'GET /api/v1/orgs/:orgId': 'answers the organization that the caller’s authority was loaded with',
  'GET /api/v1/auth/me': 'the same; a caller the authenticator did not make is refused',
  'GET /api/v1/permissions': 'the same for everyone',
  'GET /api/v1/audit/actions': 'the same for everyone',
  'GET /api/v1/events/types': 'the same for everyone',
  'GET /api/v1/projection/reasons': 'the same for everyone',
  // Rows of no organization; an operator may open them to everybody.
  'GET /api/v1/platform/services': 'what the deployment is, not what is in it',
  'GET /api/v1/platform/summary': 'the same',
  'GET /api/v1/observability/readiness': 'the same',
  'GET /api/v1/security/readiness': 'the same',
  'GET /api/v1/recovery/readiness': 'the same',
  'GET /api/v1/signoff/readiness': 'the same',
  'GET /api/v1/docs/readiness': 'the same',
};

const nameOf = ({ method, path }: Route): string => `${method} ${path}`;
const storeBacked = (): Route[] =>
  harness.routes.filter((route) => isGuarded(route) && withoutStore[nameOf(route)] === undefined);

/** Takes the guard away for this test; every request is now this caller's. */
function withoutGuard(caller: Caller): void {
  const providers = Reflect.getMetadata('providers', AccessModule) as { provide: unknown; useClass: Guard }[];
  const guard = providers.find(({ provide }) => provide === APP_GUARD)?.useClass;
  if (!guard) throw new Error('the guard is not where it was');
  vi.spyOn(guard.prototype, 'canActivate').mockImplementation((context) => {
    const request = context.switchToHttp().getRequest<AccessRequest>();
    request.caller = { ...caller, request: request.facts };
    return true;
  });
}
type Guard = { prototype: { canActivate(context: ExecutionContext): boolean | Promise<boolean> } };

/** The same person as a caller who may do everything, wherever it says they are. */
function forged(person: Person, changes: Partial<Caller> = {}, org: Partial<Caller['org']> = {}): Caller {
  const { userId, sessionId } = person;
  const own = {
    ...person.org,
    name: 'x',
    kind: 'tenant',
    status: 'active',
    createdAt: '2026-01-01T00:00:00Z',
  };
  const permissions = new Set(everything('platform'));
  const request = { id: 'x', method: '-', route: '-' };
  const caller: Caller = {
    kind: 'user',
    id: userId,
    userId,
    sessionId,
    org: own as Caller['org'],
    permissions,
    assured: true,
    request,
  };
  return { ...caller, ...changes, org: { ...caller.org, ...org } };
}

/** A body that the route's own schema takes, so that the request reaches the database. */
function bodyFor(route: Route): unknown {
  const input = route.inputs.find(({ from }) => from === 'body');
  return input && sampleOf('', schemaOf(input.type as new () => object));
}

/** The required parameters of its query, which the route's own schema takes too. */
function queryFor(route: Route): string {
  const input = route.inputs.find(({ from }) => from === 'query');
  if (!input) return '';
  const schema = schemaOf(input.type as new () => object);
  const properties = (schema['properties'] ?? {}) as Record<string, Schema>;
  const streams = route.answers?.contentType === 'text/event-stream';
  // How long a stream goes on: minutes where nobody says.
  const ends = ['wait', 'seconds'].filter((name) => streams && name in properties);
  const required = [...((schema['required'] as string[] | undefined) ?? []), ...ends];
  return `?${required.map((name) => `${name}=${String(sampleOf(name, properties[name] ?? {}))}`).join('&')}`;
}

type Schema = Record<string, unknown>;

/** Times that must lie before others, just now, or ahead. */
const TIMES: Record<string, string> = {
  from: '2026-01-01T00:00:00Z',
  observedAt: new Date().toISOString(),
  validUntil: new Date(Date.now() + 3_600_000).toISOString(),
  expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
};

/** What a schema alone does not tell. */
const SAMPLES: Record<string, unknown> = {
  start: '20260101T000000',
  timeZone: 'UTC',
  // `{}` as base64.
  content: 'e30=',
  publicKey: generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  statement: {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: 'a'.repeat(64) } }],
    predicateType: 'urn:sample',
    predicate: {
      verifier: { id: 'sample' },
      timeVerified: '2026-01-01T00:00:00Z',
      verificationResult: 'PASSED',
    },
  },
};

function sampleOf(name: string, schema: Schema): unknown {
  if (name === 'permissions') return ['org:read'];
  if (name === 'version') return '1.0.0';
  if (name === 'range') return '^1.0.0';
  if (name === 'fields') return { key: 'sample' };
  if (Object.hasOwn(SAMPLES, name) && schema['type'] === typeof SAMPLES[name]) return SAMPLES[name];
  // Of a sink of the first kind.
  if (name === 'settings') return { host: 'logs.example' };
  // Of a hook of Gitea.
  if (name === 'baseUrl') return 'https://gitea.example';
  if (name === 'token') return 'secret://gitea#token';
  if (name === 'secrets') return ['secret://gitea#secret'];
  if (name === 'repositories') return ['ada/ledger'];
  if (schema['enum']) return (schema['enum'] as unknown[])[0];
  // What may be null is tried with what it is otherwise.
  switch ([schema['type']].flat()[0]) {
    case 'object': {
      const required = new Set([
        ...((schema['required'] as string[] | undefined) ?? []),
        'role',
        'description',
        // A filter must say something, and so must evidence.
        'assurance',
        'statement',
      ]);
      const fields = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
      return Object.fromEntries(
        fields.filter(([key]) => required.has(key)).map(([key, one]) => [key, sampleOf(key, one)]),
      );
    }
    case 'array':
      return [sampleOf(name, schema['items'] as Schema)];
    case 'boolean':
      return true;
    case 'integer':
      return schema['minimum'] ?? 0;
    default:
      if (schema['format'] === 'email') return `${newId()}@x.example`;
      if (schema['format'] === 'uuid') return newId();
      if (schema['format'] === 'date-time') return TIMES[name] ?? '2026-01-02T00:00:00Z';
      return name === 'role' ? 'viewer' : `sample-${newId()}`;
  }
}

/** Calls a route as if it were the victim's: their organization and their objects in its path. */
function callAtVictim(route: Route): Promise<Answer> {
  const { orgId, userId, sessionId, roleId, invitationId, apiKeyId, serviceAccountId } = victim;
  const { deviceId, factorId, secretId, sinkId, giteaHookId, erasureId, eventId, capabilityId } = victim;
  const { surfaceId, authorityId } = victim;
  const ids: Record<string, string> = {
    orgId,
    userId,
    sessionId,
    roleId,
    invitationId,
    keyId: apiKeyId,
    accountId: serviceAccountId,
    deviceId,
    secretId,
    sinkId,
    giteaHookId,
    kid: 'k'.repeat(43),
    factorId,
    erasureId,
    eventId,
    capabilityId,
    surfaceId,
    authorityId,
    kind: 'auth',
    organizationId: orgId,
    sha256: 'a'.repeat(64),
    ...victim.rollouts,
  };
  const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) => ids[name] ?? `unknown-${name}`);
  return harness.call(route.method, `${path}${queryFor(route)}`, { body: bodyFor(route) });
}

/** A digest of every row of the victim, its log aside. */
async function victimRows(): Promise<string> {
  const digests: unknown[] = [];
  for (const { table, column } of await orgTables(harness.database.adminUrl)) {
    // Its log grows by these very refusals.
    if (table.startsWith('audit_')) continue;
    const sql = `SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM portcullis.${table} t WHERE ${column} = $1`;
    digests.push(table, await harness.sql(sql, [victim.orgId]));
  }
  digests.push(await harness.sql('SELECT * FROM portcullis.devices WHERE user_id = $1', [victim.userId]));
  digests.push(await harness.sql('SELECT * FROM portcullis.factors WHERE user_id = $1', [victim.userId]));
  digests.push(await harness.sql('SELECT * FROM portcullis.users WHERE id = $1', [victim.userId]));
  return JSON.stringify(digests);
}

const credentials: Record<string, () => Promise<Caller>> = {
  'a live session of another organization': async () =>
    forged(await harness.person(await harness.org(), 'owner'), {}, { id: victim.orgId }),
  'a live session that says it is the platform’s': async () =>
    forged(
      await harness.person(await harness.org(), 'owner'),
      {},
      { id: harness.platform.id, kind: 'platform' },
    ),
  'a revoked session': async () => {
    const person = await harness.person(harness.platform, 'owner');
    await harness.revokeSession(person);
    return forged(person, {}, { kind: 'platform' });
  },
  'a session in a suspended organization': async () => {
    const org = await harness.org();
    const person = await harness.person(org, 'owner');
    await harness.suspend(org);
    return forged(person);
  },
  'no session': async () =>
    forged(await harness.person(harness.tenant, 'owner'), { sessionId: undefined as never }),
  'a session nobody opened': async () =>
    forged(await harness.person(harness.tenant, 'owner'), { sessionId: newId() }),
  'a session that is no id': async () =>
    forged(await harness.person(harness.tenant, 'owner'), { sessionId: `' OR true --` }),
  'a revoked API key': async () => {
    const person = await harness.person(harness.tenant, 'owner');
    const { id } = await harness.apiKey(person, everything('tenant'));
    await harness.revokeKey(person, id);
    return forged(person, { kind: 'api_key', id, apiKeyId: id });
  },
  'an API key that is another organization’s': async () =>
    forged(await harness.person(harness.tenant, 'owner'), {
      kind: 'api_key',
      id: victim.apiKeyId,
      apiKeyId: victim.apiKeyId,
    }),
};

describe('without the guard', () => {
  for (const [name, make] of Object.entries(credentials)) {
    it(`the database refuses ${name} on every route`, async () => {
      const caller = await make();
      const before = await victimRows();
      const routes = storeBacked();
      withoutGuard(caller);
      const let_in: string[] = [];
      for (const route of routes) {
        const { status, body, text } = await callAtVictim(route);
        // Some look at the caller first: what only a person may do is not for keys.
        const refused =
          status === 401 || ['auth.sessions_only', 'rollout.needs_person'].includes(body?.code as string);
        if (!refused || text.includes(victim.mark))
          let_in.push(`${nameOf(route)}: ${status} ${text.slice(0, 120)}`);
      }
      expect(let_in).toEqual([]);
      expect(await victimRows()).toBe(before);
      expect(routes.length).toBeGreaterThanOrEqual(30);
    });
  }

  it('somebody with every permission at home reaches nothing of another organization', async () => {
    const before = await victimRows();
    const wrong: string[] = [];
    const routes = storeBacked().filter(({ rule }) => rule?.word !== 'access' || rule.org !== PLATFORM);
    const reached = new Set<number>();
    for (const route of routes) {
      // An organization of their own each time, for a route may end what they act in.
      withoutGuard(forged(await harness.person(await harness.org(), 'owner')));
      const { status, text } = await callAtVictim(route);
      reached.add(status);
      // 400 would say that the request never came as far as the database.
      if (status === 400 || status >= 500 || text.includes(victim.mark) || text.includes(victim.orgId)) {
        wrong.push(`${nameOf(route)}: ${status} ${text.slice(0, 200)}`);
      }
      vi.restoreAllMocks();
    }
    expect(wrong).toEqual([]);
    expect(await victimRows()).toBe(before);
    expect([...reached]).toEqual(expect.arrayContaining([200, 201, 204, 404]));
  });

  it.each(['tenant', 'platform'] as const)(
    'a tenant that says it is of kind %s does not act as the platform',
    async (kind) => {
      const before = await victimRows();
      const wrong: string[] = [];
      const routes = storeBacked().filter(({ rule }) => rule?.word === 'access' && rule.org === PLATFORM);
      for (const route of routes) {
        withoutGuard(forged(await harness.person(await harness.org(), 'owner'), {}, { kind }));
        const { status, body } = await callAtVictim(route);
        if (status !== 401 || body.code !== 'database.credential_ended')
          wrong.push(`${nameOf(route)}: ${status}`);
        vi.restoreAllMocks();
      }
      expect(wrong).toEqual([]);
      expect(await victimRows()).toBe(before);
      expect(routes.length).toBeGreaterThanOrEqual(3);
    },
  );

  it('a tenant that says it is the platform lists no organization of others', async () => {
    withoutGuard(forged(await harness.person(await harness.org(), 'owner'), {}, { kind: 'platform' }));
    const { status, text } = await harness.call('GET', '/api/v1/orgs');
    expect(status).toBe(401);
    expect(text).not.toContain(victim.mark);
  });

  it('the victim’s own session opens all of it, so the refusals are the database’s', async () => {
    withoutGuard(callerIn(victim));
    const list = harness.routes.find((route) => nameOf(route) === 'GET /api/v1/orgs/:orgId/roles');
    const { status, text } = await callAtVictim(list!);
    expect(status).toBe(200);
    expect(text).toContain(victim.mark);
  });
});
