import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HttpException, UnauthorizedException } from '@nestjs/common';
import { Fault } from '#kernel';
import { HttpFault } from './http.faults.ts';
import { ask as askSample, type Inject, postThing } from '../../test/kit/sample-client.ts';
import { type Sample, SampleFault, startSample } from '../../test/kit/sample-app.ts';

let sample: Sample;

beforeAll(async () => {
  sample = await startSample({ requestTimeout: 1500, headersTimeout: 1000 });
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

function query(text: string): Inject {
  return { url: `/api/v1/things?${text}`, headers: { authorization: 'Bearer good' } };
}

describe('answers', () => {
  it('hold declared fields only', async () => {
    const { answer } = await ask(query(''));
    expect(answer.json()).toEqual({ items: [{ id: expect.any(String), name: 'Blue' }] });
    expect(answer.body).not.toContain('planted');
  });

  it('have no body and no content type where there is none', async () => {
    const { answer } = await ask({
      method: 'DELETE',
      url: '/api/v1/things/0190a6c4-0000-7000-8000-000000000001',
    });
    expect(answer.statusCode).toBe(204);
    expect(answer.body).toBe('');
  });

  it('become 500 where a declared field is missing, and show nothing of it', async () => {
    const { answer, problem } = await ask({ url: '/api/v1/things/broken' });
    expect(answer.statusCode).toBe(500);
    expect(problem?.code).toBe('http.internal');
    expect(answer.body).not.toContain('planted');
  });

  it('carry the security headers and the request id', async () => {
    const { answer } = await ask({
      url: '/api/v1/nothing',
      headers: { 'x-request-id': 'client-chosen.id_1' },
    });
    expect(answer.headers).toMatchObject({
      'x-request-id': 'client-chosen.id_1',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    expect(answer.headers['strict-transport-security']).toBeUndefined();
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('carry the policies for browsers wherever a browser might show them', async () => {
    const { answer } = await ask({ url: '/nothing' });
    expect(answer.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
  });

  it.each(['short', 'a'.repeat(65), 'with space in', '"quoted"-id', 'a\tb-cdefgh', 'ünïcödé-id'])(
    'do not take over the request id %s',
    async (id) => {
      const { answer } = await ask({ url: '/', headers: { 'x-request-id': id } });
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    },
  );
});

describe('faults', () => {
  const failing = async (error: unknown, headers: Record<string, string> = {}) => {
    sample.things.failWith = error;
    return ask({ url: '/api/v1/things/failing', headers });
  };
  const pg = (code: string) => Object.assign(new Error('planted secret'), { code });

  it.each<[string, unknown, number, string]>([
    ['invalid', HttpFault.invalid_input(), 400, 'http.invalid_input'],
    ['unauthenticated', SampleFault.signed_out(), 401, 'sample.signed_out'],
    ['not found', SampleFault.hidden(), 404, 'sample.hidden'],
    ['conflict', SampleFault.conflict(), 409, 'sample.conflict'],
    ['limited', SampleFault.busy({ retryAfter: 6.2 }), 429, 'sample.busy'],
    ['unavailable', SampleFault.down(), 503, 'sample.down'],
    ['an HttpException', new HttpException('planted', 418), 400, 'http.bad_request'],
    ['a Nest 401', new UnauthorizedException('planted'), 401, 'http.unauthenticated'],
    ['an unknown error', new Error('planted secret'), 500, 'http.internal'],
    [
      'an internal fault',
      new Fault('sample.secret', 'internal', 'planted', { data: { planted: 1 } }),
      500,
      'http.internal',
    ],
    ['a text', 'planted', 500, 'http.internal'],
    ['undefined', undefined, 500, 'http.internal'],
    [
      'a refused connection',
      Object.assign(new AggregateError([pg('ECONNREFUSED')], ''), {}),
      503,
      'http.unavailable',
    ],
    ['a lost connection', pg('08006'), 503, 'http.unavailable'],
    ['too many connections', pg('53300'), 503, 'http.unavailable'],
    [
      'a stopping server',
      Object.assign(new Error('q'), { driverError: pg('57P01') }),
      503,
      'http.unavailable',
    ],
    ['a lock that was not had', new Error('wrapped', { cause: pg('55P03') }), 503, 'http.unavailable'],
    [
      'a pool without a connection',
      new Error('timeout exceeded when trying to connect'),
      503,
      'http.unavailable',
    ],
    ['a constraint', pg('23505'), 500, 'http.internal'],
  ])('map %s', async (_what, error, status, code) => {
    const { answer, problem } = await failing(error);
    expect(answer.statusCode).toBe(status);
    expect(problem).toMatchObject({ status, code });
    expect(answer.body).not.toContain('planted');
    expect(answer.headers['retry-after']).toBe(status === 429 ? '7' : status === 503 ? '2' : undefined);
  });

  it('of credentials say how to sign in, and that the one sent is bad', async () => {
    const without = await failing(SampleFault.signed_out());
    expect(without.answer.headers['www-authenticate']).toBe('Bearer realm="portcullis"');
    const withOne = await failing(SampleFault.signed_out(), { authorization: 'Bearer bad' });
    expect(withOne.answer.headers['www-authenticate']).toBe(
      'Bearer realm="portcullis", error="invalid_token"',
    );
    const withKey = await failing(SampleFault.signed_out(), { 'x-api-key': 'bad' });
    expect(withKey.answer.headers['www-authenticate']).toContain('invalid_token');
  });

  it('log the cause of a 5xx once, with the request id and without secrets', async () => {
    const cause = new Error('no connection to postgres://portcullis:planted@db/x');
    const { answer } = await failing(new Error('wrapped', { cause }));
    const errors = sample.lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'error');
    expect(errors).toHaveLength(1);
    expect(errors[0].details.requestId).toBe(answer.headers['x-request-id']);
    expect(JSON.stringify(errors[0])).toContain('no connection to postgres://[redacted]@db');
    expect(JSON.stringify(sample.lines)).not.toContain('planted');
  });
});

describe('denials', () => {
  it('are recorded before they are answered', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const original = sample.denials.record;
    sample.denials.record = async (denial) => {
      await held;
      await original(denial);
    };
    try {
      let answered = false;
      const asking = ask({ url: '/api/v1/things', headers: { 'user-agent': 'spec/1' } }).then((result) => {
        answered = true;
        return result;
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(answered).toBe(false);
      release();
      expect((await asking).answer.statusCode).toBe(401);
      expect(sample.denials.recorded).toHaveLength(1);
      expect(sample.denials.recorded[0]).toMatchObject({
        fault: { code: 'sample.signed_out' },
        request: { method: 'GET', route: '/api/v1/things', ip: '127.0.0.1', userAgent: 'spec/1' },
      });
    } finally {
      sample.denials.record = original;
    }
  });

  it('name the caller who was refused', async () => {
    const { answer, problem } = await ask({
      url: '/api/v1/things/all',
      headers: { authorization: 'Bearer good' },
    });
    expect(answer.statusCode).toBe(403);
    expect(problem).toMatchObject({ code: 'access.denied', data: { permission: 'org:suspend' } });
    expect(sample.denials.recorded[0]?.caller?.org.slug).toBe('acme');
  });

  it('become 503 where they cannot be recorded, and tell nothing of the refusal', async () => {
    const original = sample.denials.record;
    sample.denials.record = async () => {
      throw new Error('the audit store is down');
    };
    try {
      for (const url of ['/api/v1/things', '/api/v1/things/all']) {
        const { answer, problem } = await ask({ url });
        expect(answer.statusCode).toBe(503);
        expect(problem?.code).toBe('http.unavailable');
        expect(answer.headers['www-authenticate']).toBeUndefined();
        expect(problem?.data).toBeUndefined();
      }
    } finally {
      sample.denials.record = original;
    }
  });

  it('count a not_found that hides something, and no other', async () => {
    sample.things.failWith = SampleFault.hidden({ audit: { reason: 'other_organization' } });
    await ask({ url: '/api/v1/things/failing' });
    expect(sample.denials.recorded).toHaveLength(1);
    sample.things.failWith = SampleFault.hidden();
    await ask({ url: '/api/v1/things/failing' });
    await ask({ url: '/nowhere' });
    expect(sample.denials.recorded).toHaveLength(1);
  });
});

describe('the access log', () => {
  it('has one line per request, with the pattern and never the path, the query or a header', async () => {
    await ask({
      url: '/api/v1/things?limit=5&cursor=eyJplanted.query',
      headers: { authorization: 'Bearer good', cookie: 'planted', 'user-agent': 'planted' },
    });
    await ask({ url: '/planted/path?planted' });
    await post({ name: 'x', password: 'planted-password' });
    const lines = sample.lines.map((line) => JSON.parse(line)).filter(({ context }) => context === 'access');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatchObject({
      level: 'info',
      requestId: expect.any(String),
      method: 'GET',
      route: '/api/v1/things',
      status: 400,
      ip: '127.0.0.1',
      callerId: '0190a6c4-0000-7000-8000-00000000000a',
      orgId: '0190a6c4-0000-7000-8000-00000000000b',
    });
    expect(lines[0].ms).toBeGreaterThan(0);
    expect(lines[0].bytes).toBeGreaterThan(0);
    expect(lines[1]).toMatchObject({ route: '-', status: 404 });
    expect(lines[2].callerId).toBeUndefined();
    expect(JSON.stringify(sample.lines)).not.toContain('planted');
  });
});

describe('the client address', () => {
  const forwarded = (ip: string) => ({ url: '/api/v1/things', headers: { 'x-forwarded-for': ip } });

  it('is the socket’s where no proxy is trusted', async () => {
    await ask(forwarded('203.0.113.9'));
    expect(sample.denials.recorded[0]?.request.ip).toBe('127.0.0.1');
  });

  it('is what a trusted proxy says, if it is an address', async () => {
    const behind = await startSample({ trustedProxies: ['127.0.0.0/8', '10.0.0.1'] });
    try {
      await behind.app.inject(forwarded('198.51.100.1, 203.0.113.9, 10.0.0.1'));
      await behind.app.inject(forwarded('"><script>'));
      await behind.app.inject(forwarded('::ffff:203.0.113.7'));
      await behind.app.inject({ ...forwarded('203.0.113.9'), remoteAddress: '192.0.2.1' });
      expect(behind.denials.recorded.map(({ request }) => request.ip)).toEqual([
        '203.0.113.9',
        '127.0.0.1',
        '203.0.113.7',
        '192.0.2.1',
      ]);
    } finally {
      await behind.app.close();
    }
  });

  it('refuses to start with a proxy that is no address', async () => {
    await expect(startSample({ trustedProxies: ['not an address'] })).rejects.toThrow(/invalid IP/i);
  });
});

it('the user agent loses its control characters and what is beyond 256', async () => {
  await ask({ url: '/api/v1/things', headers: { 'user-agent': `a\u0085b\u009f${'x'.repeat(400)}` } });
  const { userAgent = '' } = sample.denials.recorded[0]?.request ?? {};
  expect(userAgent).toMatch(/^abx+$/);
  expect(userAgent.length).toBeLessThanOrEqual(256);
});
