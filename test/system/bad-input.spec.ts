import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { mutations, type Schema, valid } from '../kit/schema-arbitrary.ts';
import { type Account, addMember, setUp, type SignedIn, signIn } from '../kit/tenancy.ts';

/**
 * Bad input on every real route, as the owner of the platform organization, who may do everything: it is the input
 * that is refused, not the caller. What the routes take is read from the document that the product itself serves.
 */
interface Operation {
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}
interface Route {
  name: string;
  method: string;
  path: string;
  parameters: { name: string; in: string; required?: boolean; schema: Schema }[];
  body: Schema | undefined;
}
interface Refused {
  status: number;
  body: { code: string; errors?: { path: string; message: string }[] };
}

describe('bad input', () => {
  let product: Product;
  let admin: SignedIn;
  let routes: Route[];
  let document: {
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, Schema> };
  };
  let before: Map<string, number>;

  let owner: Account;

  beforeAll(async () => {
    product = await startProduct();
    owner = await setUp(product);
    admin = await signIn(product, owner, 'platform');
    document = expectAnswer(await product.api.get('/openapi.json', { token: admin.accessToken }), 200);
    routes = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { parameters = [], requestBody }]) => ({
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        parameters,
        body: requestBody?.content['application/json']?.schema,
      })),
    );
  });
  beforeEach(async () => {
    // An access token lives five minutes, and a busy machine may take longer for all of these.
    admin = await signIn(product, owner, 'platform');
    before = await counts();
  });
  afterAll(() => disposeAll([product]));

  const resolve = (schema: Schema): Schema => {
    if (schema.$ref) return resolve(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {});
    const [only] = schema.allOf ?? schema.anyOf?.filter(({ type }) => type !== 'null') ?? [];
    return only ? resolve(only) : schema;
  };

  /** Rows of every table that holds state: all but the log of refusals and what goes on by itself. */
  async function counts(): Promise<Map<string, number>> {
    const url = await product.databaseUrl();
    const tables = await run(
      url,
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'portcullis'::regnamespace AND relkind = 'r'
         AND relname NOT IN ('audit_events', 'audit_positions', 'replicas',
                             -- What is written of the log as it grows, and what the deployment observes of itself.
                             'audit_tiles', 'audit_checkpoints', 'audit_keys',
                             'projection_states', 'projection_transitions', 'events', 'event_positions', 'event_logs')`,
    );
    const found = new Map<string, number>();
    for (const { name } of tables) {
      const [row] = await run(url, `SELECT count(*)::int AS n FROM portcullis.${String(name)}`);
      found.set(String(name), Number(row?.['n']));
    }
    return found;
  }
  const nothingIsStored = async () => {
    expect(before.size).toBeGreaterThan(10);
    expect(await counts()).toEqual(before);
  };

  /** The path with ids that nothing has, in the caller's own organization; `instead` replaces one. */
  function pathOf(route: Route, instead: Record<string, string> = {}): string {
    return route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      instead[name] !== undefined
        ? instead[name]
        : name === 'orgId'
          ? admin.organization.id
          : name === 'kid'
            ? 'k'.repeat(43)
            : name === 'kind'
              ? 'auth'
              : '0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee',
    );
  }

  /** With the query that the route asks for. */
  function addressOf(route: Route, instead: Record<string, string> = {}): string {
    const required = route.parameters.filter((one) => one.in === 'query' && one.required === true);
    const query = new URLSearchParams(
      required.map(({ name, schema }): [string, string] => [
        name,
        String(fc.sample(valid(schema, resolve), { numRuns: 1, seed: 1 })[0]),
      ]),
    );
    return required.length > 0 ? `${pathOf(route, instead)}?${query.toString()}` : pathOf(route, instead);
  }

  async function send(
    route: Route,
    body: string | undefined,
    more: Record<string, string> = {},
    path = addressOf(route),
  ) {
    const response = await fetch(`${product.origin}${path}`, {
      method: route.method,
      headers: {
        authorization: `Bearer ${admin.accessToken}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...more,
      },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    expect(response.headers.get('content-type'), `${route.name}: ${text}`).toMatch(
      /^application\/problem\+json/,
    );
    return { status: response.status, body: JSON.parse(text) as Refused['body'] };
  }

  const withBody = () => routes.filter(({ body }) => body !== undefined);
  const pathsIn = ({ body }: Refused) => (body.errors ?? []).map(({ path }) => path);

  it('is looked for on every route of the product', () => {
    expect(routes.length).toBeGreaterThan(30);
    expect(withBody().length).toBeGreaterThan(12);
  });

  it('of one wrong thing in a body is refused with its path, on every route, and nothing is stored', async () => {
    let sent = 0;
    for (const route of withBody()) {
      const wrong = mutations(route.body ?? {}, resolve);
      expect(wrong.length, route.name).toBeGreaterThan(3);
      const body = valid(route.body ?? {}, resolve) as fc.Arbitrary<Record<string, unknown>>;
      const samples = fc.sample(body, { numRuns: wrong.length, seed: 1 });
      for (const [n, mutation] of wrong.entries()) {
        const text = JSON.stringify(mutation.apply(samples[n] ?? {}));
        const answer = await send(route, text);
        sent += 1;
        const shown = `${route.name} with ${mutation.what}: ${JSON.stringify(answer)}`;
        expect(answer.status, shown).toBe(400);
        expect(
          pathsIn(answer).some(
            (path) =>
              path === mutation.path ||
              path.startsWith(`${mutation.path}[`) ||
              path.startsWith(`${mutation.path}.`),
          ),
          shown,
        ).toBe(true);
      }
    }
    console.log(`${sent} bodies with one fault each, on ${withBody().length} routes`);
    await nothingIsStored();
  });

  it('of any JSON at all is never a 5xx', async () => {
    // An empty object is right where everything is optional: it changes nothing.
    const wrong = fc.jsonValue({ maxDepth: 4 }).filter((value) => JSON.stringify(value) !== '{}');
    const some = fc.tuple(fc.constantFrom(...withBody()), wrong);
    await fc.assert(
      fc.asyncProperty(some, async ([route, value]) => {
        const { status } = await send(route, JSON.stringify(value));
        expect([400, 404], route.name).toContain(status);
      }),
      { numRuns: 300 },
    );
    await nothingIsStored();
  });

  it('that is no JSON, or JSON that two readers read differently, is refused on every route with a body', async () => {
    for (const route of withBody()) {
      for (const [text, path] of [
        ['{"a":', ''],
        ['', ''],
        ['nonsense', ''],
        ['[]', ''],
        ['null', ''],
        ['"text"', ''],
        ['{"name":"a","name":"b"}', 'name'],
        ['{"email":"a@example.com","\\u0065mail":"b@example.com"}', 'email'],
        ['{"__proto__":{"admin":true}}', '__proto__'],
        ['{"a":1e999}', 'a'],
        [`${'['.repeat(10_000)}${']'.repeat(10_000)}`, undefined],
      ] as const) {
        const answer = await send(route, text);
        const shown = `${route.name} with ${text.slice(0, 60)}: ${JSON.stringify(answer).slice(0, 500)}`;
        expect(answer.status, shown).toBe(400);
        if (path !== undefined) expect(pathsIn(answer), shown).toContain(path);
      }
      expect((await send(route, `{"a":"${'x'.repeat(300_000)}"}`)).status).toBe(413);
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data',
        'application/json; charset=utf-16',
      ]) {
        expect((await send(route, '{}', { 'content-type': type })).status, `${route.name} as ${type}`).toBe(
          415,
        );
      }
    }
    await nothingIsStored();
  });

  it('in each path parameter of each route is refused and named', async () => {
    const ids = [
      'not-a-uuid',
      '0',
      '%00',
      "1'%20OR%20'1'='1",
      '0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeeeX',
      '%F0%9F%92%A9',
      '..%2F..%2Fetc',
    ];
    let tried = 0;
    for (const route of routes) {
      for (const { name } of route.parameters.filter((one) => one.in === 'path')) {
        // A gate has a name, which need not be an id.
        for (const id of ids.filter((one) => name !== 'gate' || !/^[a-z0-9-]+$/.test(one))) {
          const answer = await send(route, bodyFor(route), {}, addressOf(route, { [name]: id }));
          const shown = `${route.name} with ${name} = ${id}: ${JSON.stringify(answer)}`;
          expect(answer.status, shown).toBe(400);
          expect(pathsIn(answer), shown).toContain(name);
          tried += 1;
        }
        for (const id of ['%zz', 'x'.repeat(300)]) {
          const { status } = await send(route, bodyFor(route), {}, addressOf(route, { [name]: id }));
          expect(status, `${route.name} with ${name} = ${id}`).toBeGreaterThanOrEqual(400);
          expect(status).toBeLessThan(500);
        }
      }
    }
    expect(tried).toBeGreaterThan(100);
    await nothingIsStored();
  });
  const bodyFor = ({ body }: Route) =>
    body && JSON.stringify(fc.sample(valid(body, resolve), { numRuns: 1, seed: 2 })[0]);

  it('in a query is refused and named', async () => {
    let tried = 0;
    for (const route of routes.filter(({ method }) => method === 'GET')) {
      const query = route.parameters.filter((one) => one.in === 'query');
      for (const { name, schema } of query) {
        const { type, format, enum: choices } = resolve(schema);
        const wrong = ['%00', 'x'.repeat(5_000), 'a&' + name + '=b'];
        if (type === 'integer') wrong.push('abc', '-1', '1.5', '99999999999999999999');
        if (format !== undefined || choices !== undefined) wrong.push('nonsense');
        for (const value of wrong) {
          const answer = await send(route, undefined, {}, `${pathOf(route)}?${name}=${value}`);
          const shown = `${route.name}?${name}=${value.slice(0, 40)}: ${JSON.stringify(answer)}`;
          expect(answer.status, shown).toBe(400);
          expect(
            pathsIn(answer).some((path) => path.startsWith(name)),
            shown,
          ).toBe(true);
          tried += 1;
        }
      }
      if (query.length === 0) continue;
      const answer = await send(route, undefined, {}, `${pathOf(route)}?no_such_parameter=1`);
      const required = query.filter((one) => one.required === true).map(({ name }) => name);
      expect(pathsIn(answer).sort(), route.name).toEqual(['no_such_parameter', ...required].sort());
    }
    expect(tried).toBeGreaterThan(50);
    await nothingIsStored();
  });

  it('in headers is refused, and the process lives on', async () => {
    const flood = async (headers: string): Promise<string> => {
      const socket = connect(product.port, '127.0.0.1');
      let answer = '';
      socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
      socket.on('error', () => undefined);
      socket.write(`GET /api/v1/auth/me HTTP/1.1\r\nhost: x\r\n${headers}connection: close\r\n\r\n`);
      await once(socket, 'close');
      return answer.split('\r\n')[0] ?? '';
    };
    const many = (n: number) => Array.from({ length: n }, (_, i) => `x-${i}: y\r\n`).join('');
    expect(await flood(many(150))).toContain(' 431 ');
    expect(await flood(`x-long: ${'y'.repeat(40_000)}\r\n`)).toMatch(/ 431 |^$/);
    expect(await flood('x y: z\r\n')).toContain(' 400 ');
    expect(await flood('content-length: 5\r\ntransfer-encoding: chunked\r\n')).toContain(' 400 ');
    expect(await flood('authorization: Bearer a\r\nauthorization: Bearer b\r\n')).toMatch(/ 40[01] /);
    expect(await flood(`authorization: Bearer ${'é'.repeat(100)}\r\n`)).toMatch(/ 40[01] /);
    for (const token of ['', 'x', 'a.b.c', 'pck_', `pck_${'0'.repeat(200)}`, 'e30.e30.', '\t']) {
      const answer = await product.api.get('/auth/me', { headers: { authorization: `Bearer ${token}` } });
      expectAnswer(answer, 401);
    }
    expectAnswer(await product.api.get('/auth/me', { token: admin.accessToken }), 200);
  });
});

describe('a refresh token that is used twice', () => {
  let product: Product;
  beforeAll(async () => {
    product = await startProduct();
  });
  afterAll(() => disposeAll([product]));

  it('ends the session for both who hold it, and is told in the log', async () => {
    const admin = await signIn(product, await setUp(product));
    const account = await addMember(product, admin, 'member');
    const [session, other] = [await signIn(product, account), await signIn(product, account)];
    const refresh = (refreshToken: string) => product.api.post('/auth/refresh', { refreshToken });
    const next = expectAnswer<SignedIn>(await refresh(session.refreshToken), 200);
    expect(next.session.id).toBe(session.session.id);
    expectAnswer(await product.api.get('/auth/me', { token: next.accessToken }), 200);
    // Within the grace the same client would get the same successor; this is another one.
    const thief = { headers: { 'user-agent': 'another client' } };
    const again = await product.api.post('/auth/refresh', { refreshToken: session.refreshToken }, thief);
    expectAnswer(again, 401, 'auth.invalid_refresh_token');
    for (const { accessToken } of [session, next]) {
      expectAnswer(await product.api.get('/auth/me', { token: accessToken }), 401);
    }
    expectAnswer(await refresh(next.refreshToken), 401, 'auth.invalid_refresh_token');
    expectAnswer(await product.api.get('/auth/me', { token: other.accessToken }), 200);
    expectAnswer(await refresh(other.refreshToken), 200);
    const path = `/orgs/${admin.organization.id}/audit/events?action=auth.refresh_reused`;
    const { items } = expectAnswer(await product.api.get(path, { token: admin.accessToken }), 200);
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({
      outcome: 'denied',
      actor: { id: session.user.id },
      target: { type: 'session', id: session.session.id },
    });
  });
});
