import { createHash, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { type Schema, valid } from '../kit/schema-arbitrary.ts';
import { type AskOwner, type Seeded, seedEverything } from '../kit/seeded.ts';
import { type Account, addMember, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

/**
 * Input that is right in form, on every real route, as who may do everything, with ids that exist: what bad input
 * never reaches is what stands behind the first look at it. Whatever comes of it, it is an answer that the document
 * of the product declares.
 */
const BODIES = 6;

interface Operation {
  operationId: string;
  'x-access'?: { word: string; org?: string };
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, Declared>;
}
interface Declared {
  content?: Record<string, { schema: { allOf?: { properties?: { code: { enum: string[] } } }[] } }>;
}
interface Answered {
  status: number;
  code: string;
}
interface Route extends Operation {
  name: string;
  method: string;
  path: string;
  body: Schema | undefined;
}

/** Their answers do not end. */
const STREAMS = ['eventLogStream', 'projectionsWatch'];
/** After these nothing is as it was: they come last, in this order. */
const LAST = ['policyChange', 'orgsTransferOwnership', 'orgsRemove', 'signingKeysWithdraw', 'systemStateSet'];

/** Fields whose meaning a schema cannot say. An id is one of the kind that its name speaks of. */
const LEFT_OUT = Symbol('a field that is left out');
const TEXT = 'text';
const QUORUM = { anyOf: [{ allOf: [{ count: 1 }] }] };
const PUBLIC_KEY = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' });
const soon = (): string => new Date(Date.now() + 3_600_000).toISOString();
const MEANT: Readonly<Record<string, (ids: Seeded) => unknown>> = {
  arguments: () => ({}),
  baseUrl: () => 'https://gitea.example.com',
  cas: () => LEFT_OUT,
  casRequired: () => LEFT_OUT,
  cidr: () => '192.0.2.0/24',
  command: () => 'noop.record',
  content: () => Buffer.from(TEXT).toString('base64'),
  denials: () => LEFT_OUT,
  digest: () => `sha256:${'a'.repeat(64)}`,
  expiresAt: soon,
  field: () => 'token',
  fields: () => ({ token: 'a-token' }),
  freezeQuorum: () => LEFT_OUT,
  gates: () => [{ name: 'manual', kind: 'manual' }],
  hmacKey: () => 'secret://kept#secret',
  irreversibleQuorum: () => LEFT_OUT,
  mediaType: () => 'text/plain',
  observedAt: () => new Date().toISOString(),
  ownerId: ({ ownId }) => ownId,
  permissions: () => ['org:read'],
  publicKey: () => PUBLIC_KEY,
  quorum: () => QUORUM,
  range: () => '^1.0.0',
  repositories: () => ['ada/ledger'],
  repository: () => 'ada/ledger',
  ref: () => 'refs/heads/main',
  rollbackQuorum: () => LEFT_OUT,
  role: () => 'viewer',
  sameAs: ({ ownId }) => ownId,
  separate: () => LEFT_OUT,
  secrets: () => ['secret://kept#secret'],
  serviceAccountId: ({ accountId }) => accountId,
  sha256: () => createHash('sha256').update(TEXT).digest('hex'),
  start: () => '20300101T000000',
  // Each would void the one that is seeded.
  supersedes: () => LEFT_OUT,
  settings: () => ({ url: 'https://siem.example.com/', hmacKey: 'secret://kept#secret' }),
  targets: ({ targetId }) => [targetId],
  timeZone: () => 'Europe/Berlin',
  token: () => 'secret://kept#token',
  url: () => 'https://hook.example.com/',
  validUntil: soon,
  versions: () => [1],
  version: () => '1.0.0',
};

describe('input that is right in form', () => {
  let product: Product;
  let owner: Account;
  let routes: Route[];
  let ids: Seeded;
  let schemas: Record<string, Schema>;
  /** One session in the organization, one in the platform's. */
  const sessions = new Map<string, SignedIn>();

  beforeAll(async () => {
    product = await startProduct();
    owner = await setUp(product);
    const admin = await signedIn('acme');
    const ask: AskOwner = async (status, method, path, body) =>
      expectAnswer(
        await product.api.call(method, `/orgs/${admin.organization.id}${path}`, body, {
          token: admin.accessToken,
        }),
        status,
      );
    const other = await signIn(product, owner, 'acme');
    const first = async (path: string): Promise<string> =>
      expectAnswer(await product.api.get(path, { token: admin.accessToken }), 200).items[0].id;
    ids = {
      ...(await seedEverything(ask, 'kept')),
      ownId: admin.user.id,
      sessionId: other.session.id,
      deviceId: await first('/auth/devices'),
      eventId: await first(`/orgs/${admin.organization.id}/events`),
    };
    await addMember(product, admin, 'member');
    const document = expectAnswer(await product.api.get('/openapi.json'), 200);
    ({ schemas } = document.components as { schemas: Record<string, Schema> });
    routes = Object.entries(document.paths as Record<string, Record<string, Operation>>)
      .flatMap(([path, operations]) =>
        Object.entries(operations).map(([method, operation]) => ({
          ...operation,
          name: `${method.toUpperCase()} ${path}`,
          method: method.toUpperCase(),
          path,
          body: operation.requestBody?.content['application/json']?.schema,
        })),
      )
      .filter(({ operationId }) => !STREAMS.includes(operationId))
      .sort((a, b) => turnOf(a) - turnOf(b));
  });
  afterAll(() => disposeAll([product]));

  async function signedIn(organization: string): Promise<SignedIn> {
    const known = sessions.get(organization);
    if (known) return known;
    const session = await signIn(product, owner, organization);
    sessions.set(organization, session);
    return session;
  }

  const resolve = (schema: Schema): Schema => {
    if (schema.$ref) return resolve(schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {});
    const [only] = schema.allOf ?? schema.anyOf?.filter(({ type }) => type !== 'null') ?? [];
    return only ? resolve(only) : schema;
  };

  /** Whoever ends a session may have ended this one. */
  async function send(route: Route, body: unknown): Promise<Answered> {
    const first = await sendOnce(route, body);
    if (first.code !== 'auth.session_ended') return first;
    sessions.clear();
    return sendOnce(route, body);
  }

  async function sendOnce(route: Route, body: unknown): Promise<Answered> {
    const organization = route['x-access']?.org === '@platform' ? 'platform' : 'acme';
    const { accessToken } = await signedIn(organization);
    const response = await fetch(`${product.origin}${addressOf(route)}`, {
      method: route.method,
      headers: {
        authorization: `Bearer ${accessToken}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const shown = `${route.name} with ${JSON.stringify(body)}: ${response.status} ${text.slice(0, 500)}`;
    const declared = route.responses[response.status];
    expect(declared, shown).toBeDefined();
    const type = response.headers.get('content-type')?.split(';')[0];
    if (type !== undefined) expect(Object.keys(declared?.content ?? {}), shown).toContain(type);
    if (response.status < 400) return { status: response.status, code: '' };
    const { code } = JSON.parse(text) as { code: string };
    expect(codesOf(declared), shown).toContain(code);
    if (response.status >= 500) expect(['system.not_ready', 'system.read_only'], shown).toContain(code);
    return { status: response.status, code };
  }

  function addressOf(route: Route): string {
    const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      name === 'orgId'
        ? (sessions.get('acme')?.organization.id ?? '')
        : (ids[name] ?? OTHER[name] ?? '0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee'),
    );
    const required = (route.parameters ?? []).filter((one) => one.in === 'query' && one.required === true);
    const query = required.map(({ name, schema }): [string, string] => [
      name,
      name === 'from' && schema.format === 'date-time' ? '2026-01-01T00:00:00Z' : String(least(schema)),
    ]);
    return query.length > 0 ? `${path}?${new URLSearchParams(query).toString()}` : path;
  }

  /** The least of a whole number, else what the schema takes; of times, now. */
  function least(schema: Schema): unknown {
    if (schema.minimum !== undefined) return schema.minimum;
    if (schema.format === 'date-time') return new Date().toISOString();
    return fc.sample(valid(schema, resolve), { numRuns: 1, seed: 1 })[0];
  }

  /** The body with fields that mean something. */
  function meant(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(meant);
    if (typeof value !== 'object' || value === null) return value;
    const fields = Object.entries(value).map(([name, inner]): [string, unknown] => [
      name,
      MEANT[name]?.(ids) ?? (typeof inner === 'string' ? ids[name] : undefined) ?? meant(inner),
    ]);
    return Object.fromEntries(fields.filter(([, inner]) => inner !== LEFT_OUT));
  }

  it('is looked at by every route, and answered as the document says', async () => {
    const refused: string[] = [];
    const table: string[] = [];
    const shallow: string[] = [];
    let reached = 0;
    for (const route of routes) {
      const bodies =
        route.body === undefined
          ? [undefined]
          : fc.sample(valid(route.body, resolve), { numRuns: BODIES, seed: 3 }).map(meant);
      const answers: Answered[] = [];
      for (const body of bodies) answers.push(await send(route, body));
      // What the first look refuses has a code of http; what a rule of the room refuses has its own.
      const passed = answers.filter(({ status, code }) => status !== 400 || !code.startsWith('http.')).length;
      const done = answers.filter(({ status }) => status < 300).length;
      const codes = [...new Set(answers.map(({ status, code }) => code || String(status)))].join(', ');
      const { name } = route;
      table.push(`${passed} of ${answers.length} past the first look, ${done} done: ${name} (${codes})`);
      if (passed === 0) refused.push(table.at(-1) ?? '');
      if (answers.every(({ status }) => status === 400 || status === 404)) shallow.push(name);
      if (done > 0) reached += 1;
    }
    console.log(table.join('\n'));
    console.log(
      `${reached} of ${table.length} routes did what they are for; never past 400 and 404:\n${shallow.join('\n')}`,
    );
    expect(table.length).toBeGreaterThan(200);
    expect(refused).toEqual([]);
    expect(shallow.filter((name) => !NEVER_FURTHER.has(name))).toEqual([]);
  });
});

/** By why they get no further than 400 and 404 here. Each has a spec of its own where it does. */
const NO_FURTHER: Readonly<Record<string, readonly string[]>> = {
  'what it reads or ends is made by a request that comes after it': [
    'GET /api/v1/orgs/{orgId}/secrets/{secretId}/rotation',
    'GET /api/v1/orgs/{orgId}/audit/erasures/{erasureId}',
    'GET /api/v1/platform/audit-erasures/{erasureId}',
    'GET /api/v1/orgs/{orgId}/audit/hold',
    'GET /api/v1/orgs/{orgId}/evidence/{evidenceId}',
    'GET /api/v1/orgs/{orgId}/evidence-attachments/{sha256}',
  ],
  'what it speaks of was ended by a request before it': [
    'DELETE /api/v1/auth/sessions/{sessionId}',
    'DELETE /api/v1/orgs/{orgId}/sessions/{sessionId}',
    'DELETE /api/v1/orgs/{orgId}/authorities/{authorityId}',
    'POST /api/v1/orgs/{orgId}/transfer-ownership',
  ],
  'what it speaks of takes more than requests to be: a key, a factor, a fork, a broker, a gate': [
    'POST /api/v1/auth/factors/recovery-codes',
    'DELETE /api/v1/auth/factors/{factorId}',
    'DELETE /api/v1/orgs/{orgId}/members/{userId}/factors/{factorId}',
    'DELETE /api/v1/users/{userId}/factors/{factorId}',
    'POST /api/v1/platform/audit-forks/{organizationId}/acknowledge',
    'POST /api/v1/orgs/{orgId}/events/dead-letters/retry',
    'POST /api/v1/orgs/{orgId}/rollouts/{rolloutId}/gates/{gate}',
    'POST /api/v1/orgs/{orgId}/rollouts/{rolloutId}/gates/{gate}/check',
    'POST /api/v1/orgs/{orgId}/break-glass/{breakGlassId}/review',
    'DELETE /api/v1/platform/signing-keys/{kid}',
  ],
  'its body says what only the one thing it is about can say: a digest, a signature, a word': [
    'GET /api/v1/orgs/{orgId}/projections/{surfaceId}/diff',
    'POST /api/v1/auth/switch',
    'POST /api/v1/auth/api-keys/revoke',
    'POST /api/v1/orgs/{orgId}/audit/sinks/{sinkId}/replay',
    'POST /api/v1/orgs/{orgId}/rollouts/{rolloutId}/confirm',
    'POST /api/v1/orgs/{orgId}/evidence',
  ],
};
const NEVER_FURTHER: ReadonlySet<string> = new Set(Object.values(NO_FURTHER).flat());

/** Path parameters that are no ids of what is seeded. */
const OTHER: Readonly<Record<string, string>> = {
  gate: 'manual',
  kid: 'k'.repeat(43),
  kind: 'auth',
  sha256: 'a'.repeat(64),
};

/** Reads, then what makes and changes, then what ends. */
function turnOf({ method, path, operationId }: Route): number {
  const last = LAST.indexOf(operationId);
  if (last >= 0) return 10 + last;
  if (method === 'DELETE' || /(delete|destroy|withdraw|revoke|stop|close)$/.test(path)) return 2;
  return method === 'GET' ? 0 : 1;
}

/** The codes that the document says of a status. */
function codesOf(declared: Declared | undefined): string[] {
  const [, own] = declared?.content?.['application/problem+json']?.schema.allOf ?? [];
  return own?.properties?.code.enum ?? [];
}
