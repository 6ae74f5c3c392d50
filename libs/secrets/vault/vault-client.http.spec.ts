import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeCertificates } from '../../../test/kit/certificates.ts';
import { accept, HttpReceiver } from '../../../test/kit/http-receiver.ts';
import { VaultServer } from '../../../test/kit/vault-server.ts';
import { Secret } from '../secret.ts';
import { VaultFailure } from './failure.ts';
import { isVaultPath, vaultPath } from './path.ts';
import { VaultClient } from './vault-client.ts';

const VALUE = 'canary-value-5417';
let server: VaultServer;
let client: VaultClient;

const clientOf = (address: string, more: { ca?: string; namespace?: string; deadlineMs?: number } = {}) =>
  new VaultClient({ address, namespace: more.namespace, ca: more.ca, deadlineMs: more.deadlineMs ?? 60_000 });
const path = vaultPath('kv/data', 'portcullis', 'ledger/db');
const root = (): Secret => new Secret(server.rootToken);
const write = (cas = 0) =>
  client.ask({ method: 'POST', path, token: root(), body: { data: { key: VALUE }, options: { cas } } });
const read = () => client.ask({ method: 'GET', path, token: root() });

/** Whatever anybody could print of it. */
function shown(thing: unknown): string {
  const error = thing as Error;
  const parts = [
    inspect(thing, { depth: 12, showHidden: true }),
    JSON.stringify(thing),
    String(thing),
    error.stack,
  ];
  return [...parts, inspect(error.cause, { depth: 12 })].join('\n');
}

async function failureOf(work: Promise<unknown>): Promise<VaultFailure> {
  const error: unknown = await work.then(
    () => new Error('it did not fail'),
    (failure: unknown) => failure,
  );
  if (!(error instanceof VaultFailure)) throw error;
  for (const secret of [server.rootToken, VALUE, 'canary-in']) expect(shown(error)).not.toContain(secret);
  return error;
}

beforeAll(async () => {
  server = await VaultServer.start();
});
beforeEach(() => {
  client = clientOf(server.url);
});
afterEach(async () => {
  server.behave();
  server.sealed = false;
  server.requests.length = 0;
  vi.unstubAllEnvs();
  await client.close();
});
afterAll(() => server.stop());

describe('a path of the secret store', () => {
  it.each([
    'a/../orgB',
    '..',
    '.',
    'a//b',
    '/a',
    'a/',
    'a%2fb',
    'a%2e%2e',
    'a?version=1',
    'a#b',
    'a b',
    'ä',
    'a\\b',
    '',
  ])('is refused where it is %j', (bad) => {
    expect(() => vaultPath('kv/data', 'orgA', bad)).toThrow(/not allowed/);
    expect(isVaultPath(bad)).toBe(false);
  });

  it('does not repeat what it refuses', () => {
    expect(() => vaultPath('kv', 'canary value')).toThrow(expect.not.stringContaining('canary') as Error);
  });

  it('is what its parts are, with slashes between them', () => {
    expect(vaultPath('kv/data', 'org-1', 'sinks/siem.v2')).toBe('kv/data/org-1/sinks/siem.v2');
  });
});

describe('the client of the secret store', () => {
  it('writes and reads, and tells a refused check-and-set from other refusals', async () => {
    expect((await write()).data).toMatchObject({ version: 1 });
    expect((await read()).data).toMatchObject({ data: { key: VALUE }, metadata: { version: 1 } });
    expect(await write()).toMatchObject({ status: 400, error: 'cas_mismatch' });
  });

  it('shows nothing of an answer to whoever prints it', async () => {
    expect(shown(await read())).not.toContain(VALUE);
  });

  it('follows no redirect: the other host hears nothing', async () => {
    const other = await HttpReceiver.start(accept);
    server.misbehave({ redirect: `${other.url}/v1/kv/data/x` });
    expect(await failureOf(read())).toMatchObject({ reason: 'redirected', status: 307 });
    expect(await failureOf(write())).toMatchObject({ reason: 'redirected' });
    expect(other.requests).toEqual([]);
    await other.stop();
  });

  it.each([
    ['hang', 'late'],
    ['slow', 'late'],
    ['oversize', 'too_long'],
    ['break', 'broken_off'],
    ['malformed', 'malformed'],
    ['html', 'malformed'],
    ['lost', 'broken_off'],
  ] as const)('ends with a failure, and in time, where the server does this: %s', async (trouble, reason) => {
    client = clientOf(server.url, { deadlineMs: reason === 'late' ? 500 : 60_000 });
    server.misbehave(trouble);
    expect(await failureOf(write(1))).toMatchObject({ reason, maybeDone: true });
    expect(await failureOf(read())).toMatchObject({ reason });
  });

  it.each([
    [{ status: 500, errors: ['canary-in-error'] }, 'failing', true],
    [{ status: 502 }, 'failing', true],
    [{ status: 503, errors: ['Vault is sealed'] }, 'sealed', false],
    [{ status: 429 }, 'limited', false],
    [{ status: 412 }, 'standby', false],
    [{ status: 472 }, 'standby', false],
    [{ status: 473 }, 'standby', false],
  ] as const)('takes %j for %s', async (trouble, reason, maybeDone) => {
    server.misbehave(trouble);
    expect(await failureOf(write(1))).toMatchObject({ reason, maybeDone, status: trouble.status });
    // What may have been done is asked for once.
    expect(server.requests).toHaveLength(maybeDone ? 1 : 5);
  });

  it.each([412, 429, 472, 473, 500, 502, 503, 504])('reads again after a burst of %d', async (status) => {
    server.misbehave({ status }, 3);
    expect((await read()).status).toBe(200);
    expect(server.requests).toHaveLength(4);
  });

  it('does not wait where it is told to wait longer than there is time', async () => {
    server.misbehave({ status: 429, retryAfter: 120 });
    expect(await failureOf(read())).toMatchObject({ reason: 'limited', retryAfter: 120 });
    expect(server.requests).toHaveLength(1);
  });

  it('ends when who asked has gone', async () => {
    server.misbehave('hang');
    const gone = new AbortController();
    const asked = client.ask({ method: 'GET', path, token: root(), signal: gone.signal });
    gone.abort();
    expect(await failureOf(asked)).toMatchObject({ reason: 'late' });
  });

  it('says that nobody is there, and shows no token', async () => {
    const nobody = clientOf('http://127.0.0.1:1');
    const failure = await failureOf(
      nobody.ask({ method: 'POST', path, token: root(), body: { key: VALUE } }),
    );
    expect(failure).toMatchObject({ reason: 'unreachable', maybeDone: false });
    expect(failure.message).toContain('ECONNREFUSED');
    await nobody.close();
  });

  it('takes nothing from VAULT_ variables, and prints nothing for DEBUG', async () => {
    const written = vi.spyOn(process.stderr, 'write');
    vi.stubEnv('DEBUG', 'node-vault');
    for (const name of ['ADDR', 'TOKEN', 'NAMESPACE', 'PREFIX', 'SKIP_VERIFY'])
      vi.stubEnv(`VAULT_${name}`, 'canary');
    const other = clientOf(server.url);
    await other.ask({ method: 'GET', path: vaultPath('sys/health') });
    await other.ask({ method: 'POST', path, token: root(), body: { data: { key: VALUE } } });
    const [bare, second] = server.requests;
    expect([bare?.path, bare?.token, bare?.headers['x-vault-namespace']]).toEqual([
      '/v1/sys/health',
      undefined,
      undefined,
    ]);
    expect(second?.path).toBe(`/v1/${path}`);
    expect(JSON.stringify(written.mock.calls)).not.toContain(VALUE);
    await other.close();
  });

  it('names the namespace with each request', async () => {
    const named = clientOf(server.url, { namespace: 'team-a' });
    await named.ask({ method: 'GET', path: vaultPath('sys/health') });
    expect(server.requests[0]?.headers['x-vault-namespace']).toBe('team-a');
    await named.close();
  });
});

describe('the client of the secret store, over TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-vault-tls-'));
  const certificates = makeCertificates(folder);
  let secure: VaultServer;
  const health = { method: 'GET', path: vaultPath('sys/health') } as const;

  beforeAll(async () => {
    const tls = { cert: certificates.read('server.pem'), key: certificates.read('server.key') };
    secure = await VaultServer.start({ tls });
  });
  afterAll(async () => {
    await secure.stop();
    rmSync(folder, { recursive: true });
  });

  it('believes the authority that was pinned', async () => {
    const pinned = clientOf(secure.url, { ca: certificates.ca });
    expect((await pinned.ask(health)).status).toBe(200);
    await pinned.close();
  });

  it.each(['VAULT_SKIP_VERIFY', 'NODE_TLS_REJECT_UNAUTHORIZED'])(
    'believes no other, whatever %s says',
    async (variable) => {
      vi.stubEnv(variable, variable.startsWith('NODE') ? '0' : '1');
      const unpinned = clientOf(secure.url);
      expect(await failureOf(unpinned.ask(health))).toMatchObject({
        reason: 'unreachable',
        maybeDone: false,
      });
      expect(secure.requests.length).toBeLessThanOrEqual(1);
      await unpinned.close();
    },
  );
});
