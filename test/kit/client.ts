import { strict as assert } from 'node:assert';

/** The shape of a body is what tests are about; each says what it expects of it, so the type says nothing. */
// oxlint-disable-next-line typescript/no-explicit-any
type Body = any;

/** One answer of the product. `body` is parsed JSON, or text where the answer is not JSON. */
export interface Answer<T = Body> {
  status: number;
  headers: Headers;
  body: T;
}

export interface CallOptions {
  /** An access token or an API key. */
  token?: string | undefined;
  headers?: Record<string, string>;
}

/**
 * The smallest client of the API: no knowledge of any route, but it holds every answer to the conventions that all
 * routes share, so that a test which only looks at the status still notices a broken problem document.
 */
export class Api {
  constructor(private readonly origin: string) {}

  get(path: string, options?: CallOptions): Promise<Answer> {
    return this.call('GET', path, undefined, options);
  }

  post(path: string, body?: unknown, options?: CallOptions): Promise<Answer> {
    return this.call('POST', path, body, options);
  }

  patch(path: string, body: unknown, options?: CallOptions): Promise<Answer> {
    return this.call('PATCH', path, body, options);
  }

  delete(path: string, options?: CallOptions): Promise<Answer> {
    return this.call('DELETE', path, undefined, options);
  }

  async call(method: string, path: string, body: unknown, options: CallOptions = {}): Promise<Answer> {
    const headers = new Headers(options.headers);
    if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`);
    if (body !== undefined) headers.set('content-type', 'application/json');
    const response = await fetch(this.urlOf(path), {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'manual',
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    const json = /^application\/(problem\+)?json\b/.test(type);
    const answer = {
      status: response.status,
      headers: response.headers,
      body: json ? (JSON.parse(text) as unknown) : text,
    };
    checkConventions(`${method} ${path}`, answer, type, text);
    return answer;
  }

  /** Paths are those of the contract, below /api/v1, save what stands outside it. */
  private urlOf(path: string): string {
    const outside = /^\/(api|health|metrics|mcp|\.well-known)\b/.test(path);
    return `${this.origin}${outside ? '' : '/api/v1'}${path}`;
  }
}

export function api(origin: string): Api {
  return new Api(origin);
}

function checkConventions(
  call: string,
  { status, headers, body }: Answer<unknown>,
  type: string,
  text: string,
): void {
  const what = `${call} -> ${status} ${type} ${text.slice(0, 500)}`;
  const requestId = headers.get('x-request-id');
  assert.ok(requestId, `${what}: no x-request-id`);
  if (status === 204) assert.equal(text, '', `${what}: 204 with a body`);
  if (status < 400) return;
  if (call.includes(' /health')) return; // its 503 tells the states of the components
  assert.match(type, /^application\/problem\+json\b/, `${what}: not a problem document`);
  const problem = body as Record<string, unknown>;
  assert.equal(problem['status'], status, `${what}: the problem tells another status`);
  assert.equal(problem['requestId'], requestId, `${what}: the problem tells another request id`);
  for (const name of ['type', 'title', 'code'])
    assert.equal(typeof problem[name], 'string', `${what}: no ${name}`);
  assert.match(String(problem['code']), /^[a-z_]+\.[a-z0-9_]+$/, `${what}: not a fault code`);
  if (status === 401) assert.ok(headers.get('www-authenticate'), `${what}: no WWW-Authenticate`);
  if (status === 429) assert.ok(headers.get('retry-after'), `${what}: no Retry-After`);
  assert.notEqual(status, 422, `${what}: 422 is never answered`);
  assert.notEqual(status, 500, `${what}: a defect`);
}

/** Throws, showing the answer, unless it has this status (and, for a problem, this code). */
export function expectAnswer<T = Body>(answer: Answer, status: number, code?: string): T {
  const shown = JSON.stringify(answer.body).slice(0, 2000);
  assert.equal(answer.status, status, `expected ${status}, got ${answer.status}: ${shown}`);
  if (code !== undefined)
    assert.equal((answer.body as { code: string }).code, code, `expected ${code}: ${shown}`);
  return answer.body as T;
}
