import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask as askSample, type Inject, postThing } from '../../test/kit/sample-client.ts';
import { type Sample, startSample } from '../../test/kit/sample-app.ts';

let sample: Sample;
let port: number;

beforeAll(async () => {
  sample = await startSample({ requestTimeout: 1500, headersTimeout: 1000 });
  await sample.app.listen(0, '127.0.0.1');
  port = (sample.app.getHttpServer().address() as { port: number }).port;
});
afterAll(() => sample.app.close());
beforeEach(() => {
  sample.denials.recorded.length = 0;
  sample.lines.length = 0;
  sample.things.received = undefined;
});

const ask = (options: Inject) => askSample(sample, options);
const post = (payload: string | Buffer | object, headers?: Record<string, string>) =>
  postThing(sample, payload, headers);

/** Sends bytes as they are and gives back all that comes until the connection ends. */
function raw(text: string, { keepOpen = false } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(text);
      if (!keepOpen) socket.end();
    });
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('close', () => resolve(received));
    socket.on('error', (error) => (received === '' ? reject(error) : resolve(received)));
  });
}

function expectProblem(text: string, status: number, code: string): void {
  expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  const [head = '', body = ''] = text.split('\r\n\r\n');
  expect(head.toLowerCase()).toContain('content-type: application/problem+json');
  expect(head.toLowerCase()).toMatch(/x-request-id: \S+/);
  expect(head.toLowerCase()).toContain('x-content-type-options: nosniff');
  expect(JSON.parse(body)).toMatchObject({ status, code });
}

describe('bad bodies', () => {
  const ok = { name: 'Blue' };
  const cases: [string, string | Buffer | object, number, string, string[]][] = [
    ['malformed JSON', '{"name":', 400, 'http.invalid_json', ['']],
    ['an empty body', '', 400, 'http.invalid_input', ['']],
    ['a list for an object', '[]', 400, 'http.invalid_input', ['']],
    ['null', 'null', 400, 'http.invalid_input', ['']],
    ['a missing field', {}, 400, 'http.invalid_input', ['name']],
    ['an unknown field', { ...ok, admin: true }, 400, 'http.invalid_input', ['admin']],
    [
      'an inherited name as field',
      '{"name":"x","toString":1,"constructor":2}',
      400,
      'http.invalid_input',
      ['toString', 'constructor'],
    ],
    ['a number for text', { name: 5 }, 400, 'http.invalid_input', ['name']],
    ['an object for text', { name: { toString: 'x' } }, 400, 'http.invalid_input', ['name']],
    ['null for an optional field', { ...ok, slug: null }, 400, 'http.invalid_input', ['slug']],
    ['a number as text', { ...ok, count: '5' }, 400, 'http.invalid_input', ['count']],
    ['a fraction', { ...ok, count: 1.5 }, 400, 'http.invalid_input', ['count']],
    ['a number out of range', { ...ok, count: 11 }, 400, 'http.invalid_input', ['count']],
    ['a flag as text', { ...ok, open: 'true' }, 400, 'http.invalid_input', ['open']],
    ['text that is too long', { name: 'x'.repeat(21) }, 400, 'http.invalid_input', ['name']],
    ['text that is too short', { name: '' }, 400, 'http.invalid_input', ['name']],
    ['a short secret', { ...ok, password: 'short' }, 400, 'http.invalid_input', ['password']],
    ['a bad slug', { ...ok, slug: '-a' }, 400, 'http.invalid_input', ['slug']],
    ['a bad e-mail address', { ...ok, email: 'a@' }, 400, 'http.invalid_input', ['email']],
    ['a bad id', { ...ok, parentId: 'x' }, 400, 'http.invalid_input', ['parentId']],
    ['an impossible time', { ...ok, at: '2026-13-01T00:00:00Z' }, 400, 'http.invalid_input', ['at']],
    ['NUL', '{"name":"a\\u0000"}', 400, 'http.invalid_input', ['name']],
    ['half a surrogate pair', '{"name":"\\ud800"}', 400, 'http.invalid_input', ['name']],
    ['too many items', { ...ok, tags: ['a', 'b', 'c', 'd'] }, 400, 'http.invalid_input', ['tags']],
    ['text for a list', { ...ok, tags: 'a' }, 400, 'http.invalid_input', ['tags']],
    ['bad items', { ...ok, tags: ['a', 1, 'toolong'] }, 400, 'http.invalid_input', ['tags[1]', 'tags[2]']],
    [
      'faults inside of items',
      {
        ...ok,
        members: [{ email: 'x', role: 'king', more: 1 }, 5, [{ email: 'a@b.example', role: 'admin' }]],
      },
      400,
      'http.invalid_input',
      ['members[0].more', 'members[0].email', 'members[0].role', 'members[1]', 'members[2]'],
    ],
    [
      'a fault in a nested object',
      { ...ok, owner: { email: 'a@b.example' } },
      400,
      'http.invalid_input',
      ['owner.role'],
    ],
    ['a nested object that is none', { ...ok, owner: 'x' }, 400, 'http.invalid_input', ['owner']],
    [
      'an open object that is too large',
      { ...ok, extra: { a: 'x'.repeat(64) } },
      400,
      'http.invalid_input',
      ['extra'],
    ],
    ['duplicate keys', '{"name":"a","name":"b"}', 400, 'http.invalid_json', ['name']],
    ['a prototype key', '{"name":"a","__proto__":{"open":true}}', 400, 'http.invalid_json', ['__proto__']],
    [
      'deep nesting',
      `{"extra":${'['.repeat(5000)}${']'.repeat(5000)}}`,
      400,
      'http.invalid_json',
      [`extra${'[0]'.repeat(31)}`],
    ],
    ['invalid UTF-8', Buffer.from([0x22, 0xc0, 0x80, 0x22]), 400, 'http.invalid_json', ['']],
    ['a body over the limit', { name: 'x'.repeat(300_000) }, 413, 'http.too_large', []],
  ];

  it.each(cases)('refuses %s', async (_what, payload, status, code, paths) => {
    const { answer, problem } = await post(payload);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(problem).toMatchObject({ status, code, requestId: answer.headers['x-request-id'] });
    expect(problem?.errors?.map(({ path }) => path) ?? []).toEqual(expect.arrayContaining(paths));
    expect(problem?.errors?.length ?? 0).toBe(paths.length);
    expect(sample.things.received).toBeUndefined();
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=latin1',
    'application/json; charset=utf-8; charset=utf-16',
    'application/jsonx',
    'nonsense',
    ';',
  ])('refuses the content type %s', async (type) => {
    const { answer, problem } = await post('{"name":"a"}', { 'content-type': type });
    expect(answer.statusCode).toBe(415);
    expect(problem?.code).toBe('http.unsupported_media_type');
  });

  it('accepts a charset of UTF-8 and a body that keeps every rule', async () => {
    const body = {
      name: 'Blue',
      members: [{ email: 'a@b.example', role: 'admin' }],
      parentId: null,
      extra: { a: [1] },
    };
    const { answer } = await post(body, { 'content-type': 'application/json; charset=UTF-8' });
    expect(answer.statusCode).toBe(201);
    expect(JSON.parse(JSON.stringify(sample.things.received))).toEqual(body);
  });

  it('never answers 5xx, whatever the bytes', async () => {
    const nearly = fc
      .tuple(fc.constantFrom('name', 'members', 'extra', 'tags', 'owner', 'count'), fc.jsonValue())
      .map(([name, value]) => Buffer.from(JSON.stringify({ name: 'x', [name]: value })));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 80 }).map((b) => Buffer.from(b)),
          nearly,
        ),
        async (bytes) => {
          const { answer } = await post(bytes);
          expect(answer.statusCode).toBeLessThan(500);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('bad requests', () => {
  it.each<[string, Inject, number, string, string[]]>([
    ['an unknown route', { url: '/api/v1/nothing?x=1' }, 404, 'http.route_not_found', []],
    [
      'an unknown route with a body',
      { method: 'POST', url: '/nothing', payload: {} },
      404,
      'http.route_not_found',
      [],
    ],
    ['a wrong method', { method: 'PUT', url: '/api/v1/things' }, 405, 'http.method_not_allowed', []],
    [
      'a wrong method with a body that is wrong too',
      {
        method: 'PUT',
        url: '/api/v1/things',
        payload: '{',
        headers: { 'content-type': 'application/json' },
      },
      405,
      'http.method_not_allowed',
      [],
    ],
    [
      'a method that asks for a content type',
      { method: 'QUERY', url: '/api/v1/things' },
      405,
      'http.method_not_allowed',
      [],
    ],
    ['a path that does not decode', { url: '/api/v1/things/%zz' }, 400, 'http.uri_malformed', []],
    ['an over-long parameter', { url: `/api/v1/things/${'x'.repeat(300)}` }, 400, 'http.uri_malformed', []],
    ['a bad id', { url: '/api/v1/things/1' }, 400, 'http.invalid_input', ['thingId']],
    [
      'an upper-case id',
      { url: '/api/v1/things/0190A6C4-0000-7000-8000-000000000001' },
      400,
      'http.invalid_input',
      ['thingId'],
    ],
    ['an id with NUL', { url: '/api/v1/things/%00' }, 400, 'http.invalid_input', ['thingId']],
    ['an unknown query parameter', query('limit=1&x=2'), 400, 'http.invalid_input', ['x']],
    ['a limit of zero', query('limit=0'), 400, 'http.invalid_input', ['limit']],
    ['a limit beyond the limit', query('limit=101'), 400, 'http.invalid_input', ['limit']],
    ['a limit that is no number', query('limit=1e1'), 400, 'http.invalid_input', ['limit']],
    ['a limit twice', query('limit=1&limit=2'), 400, 'http.invalid_input', ['limit']],
    ['a made-up cursor', query('cursor=abc'), 400, 'http.invalid_input', ['cursor']],
    [
      'a prototype in the query',
      query('__proto__=1&constructor=2'),
      400,
      'http.invalid_input',
      ['__proto__', 'constructor'],
    ],
  ])('refuses %s', async (_what, request, status, code, paths) => {
    const { answer, problem } = await ask(request);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(problem).toMatchObject({ type: `/api/docs/faults#${code}`, status, code });
    expect(problem?.requestId).toBe(answer.headers['x-request-id']);
    expect(problem?.errors?.map(({ path }) => path) ?? []).toEqual(paths);
  });

  it('says in a 405 which methods there are', async () => {
    const { answer } = await ask({
      method: 'PUT',
      url: '/api/v1/things/0190a6c4-0000-7000-8000-000000000001?x',
    });
    expect(answer.headers['allow']).toBe('DELETE, GET, HEAD, PATCH');
  });

  it('reads numbers from a query, and only there', async () => {
    const { answer } = await ask({ ...query('limit=7') });
    expect(answer.statusCode).toBe(200);
    expect(sample.things.received).toMatchObject({ limit: 7 });
    await ask(query(''));
    expect(sample.things.received).toMatchObject({ limit: 50 });
  });

  it('never answers 5xx to any path or query', async () => {
    await fc.assert(
      fc.asyncProperty(fc.webPath(), fc.webQueryParameters(), async (path, search) => {
        for (const base of ['', '/api/v1/things', '/api/docs']) {
          const { answer } = await ask({
            url: `${base}${path || '/'}?${search}`,
            headers: { authorization: 'Bearer good' },
          });
          expect(answer.statusCode).toBeLessThan(500);
        }
      }),
      { numRuns: 200 },
    );
  });
});

function query(text: string): Inject {
  return { url: `/api/v1/things?${text}`, headers: { authorization: 'Bearer good' } };
}

describe('what Node refuses before there is a request', () => {
  it('answers a flood of headers with 431', async () => {
    const many = Array.from({ length: 150 }, (_, i) => `x-h${i}: 1\r\n`).join('');
    expectProblem(
      await raw(`GET /api/v1/things HTTP/1.1\r\nHost: a\r\n${many}\r\n`),
      431,
      'http.header_too_large',
    );
  });

  it('answers a huge header with 431', async () => {
    const text = `GET / HTTP/1.1\r\nHost: a\r\nx-big: ${'x'.repeat(20_000)}\r\n\r\n`;
    expectProblem(await raw(text, { keepOpen: true }), 431, 'http.header_too_large');
  });

  it.each([
    ['nonsense', 'nonsense\r\n\r\n'],
    ['a method that does not exist', 'FROB / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'length and chunks together',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two Hosts', 'GET /api/v1/things HTTP/1.1\r\nHost: a\r\nhost: b\r\nConnection: close\r\n\r\n'],
    ['no Host', 'GET /api/v1/things HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ])('answers %s with 400', async (_what, text) => {
    expectProblem(await raw(text), 400, 'http.bad_request');
  });

  it('answers an expectation it cannot meet with 417', async () => {
    const text = 'POST /api/v1/things HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 0\r\n\r\n';
    expectProblem(await raw(text), 417, 'http.expectation_failed');
  });

  it('answers a request that does not arrive in time with 408', async () => {
    expectProblem(
      await raw('GET / HTTP/1.1\r\nHost: a\r\nx-slow: ', { keepOpen: true }),
      408,
      'http.timeout',
    );
  });

  it('goes on serving afterwards', async () => {
    const { answer } = await post({ name: 'still here' });
    expect(answer.statusCode).toBe(201);
  });
});
