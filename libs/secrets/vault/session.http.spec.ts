import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MovableClock, until } from '../../../test/kit/app-in-process.ts';
import { ok } from '../../../test/kit/vault/answer.ts';
import { VaultServer } from '../../../test/kit/vault-server.ts';
import type { VaultFailure } from './failure.ts';
import { type LoginSettings, loginOf } from './login.ts';
import { vaultPath } from './path.ts';
import { VaultSession } from './session.ts';
import { VaultClient } from './vault-client.ts';
import { Vault } from './vault.ts';

const HOUR = 3_600;
const folder = mkdtempSync(join(tmpdir(), 'portcullis-vault-session-'));
const file = (name: string): string => join(folder, name);
const put = (name: string, text: string): string => {
  writeFileSync(file(name), `${text}\n`, { mode: 0o600 });
  chmodSync(file(name), 0o600);
  return file(name);
};

let server: VaultServer;
let clock: MovableClock;
let session: VaultSession;
let vault: Vault;
let thefts: VaultFailure[];
let failures: unknown[];

const path = vaultPath('kv/data/portcullis/org/db');
const appRole = { policies: ['portcullis'], ttl: HOUR, maxTtl: 24 * HOUR };
const approle = (): LoginSettings => ({
  method: 'approle',
  mount: 'approle',
  role: 'portcullis',
  roleIdFile: put('role-id', server.auth.roleId('approle', 'portcullis')),
  wrappedSecretIdFile: file('secret-id'),
});

function open(login: LoginSettings): Vault {
  const client = new VaultClient({
    address: server.url,
    namespace: undefined,
    ca: undefined,
    deadlineMs: 5_000,
  });
  session = new VaultSession(client, loginOf(client, login), clock, {
    theft: async (failure) => void thefts.push(failure),
    failed: (failure) => void failures.push(failure),
  });
  vault = new Vault(client, session, 10_000);
  return vault;
}

/** Both clocks. */
function advance(seconds: number): void {
  server.advance(seconds);
  clock.advance(seconds * 1_000);
}

const read = async (): Promise<number> => (await vault.ask({ method: 'GET', path })).status;
const requestsTo = (end: string) => server.requests.filter((request) => request.path.endsWith(end));

beforeEach(async () => {
  server = await VaultServer.start();
  server.policy('portcullis', [{ path: 'kv/data/portcullis/*', capabilities: ['read', 'create', 'update'] }]);
  server.role('approle', 'portcullis', appRole);
  clock = new MovableClock();
  thefts = [];
  failures = [];
  put('secret-id', server.wrappedSecretId('portcullis'));
});
afterEach(async () => {
  vi.useRealTimers();
  await vault.close();
  await server.stop();
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a login by AppRole', () => {
  it('opens the wrapped secret-id once, and one login serves all who wait', async () => {
    open(approle());
    const statuses = await Promise.all(Array.from({ length: 50 }, read));
    expect(new Set(statuses)).toEqual(new Set([404]));
    expect([server.auth.logins, requestsTo('/wrapping/unwrap').length]).toEqual([1, 1]);
  });

  it('raises the alarm once where somebody opened the secret-id before', async () => {
    const wrapped = server.wrappedSecretId('portcullis');
    put('secret-id', wrapped);
    server.unwrap(wrapped);
    open(approle());
    await expect(vault.open()).rejects.toThrow(/theft .*Destroy it/);
    clock.advance(5_000);
    await expect(vault.open()).rejects.toThrow(/unauthenticated/);
    expect(thefts).toHaveLength(1);
    expect(server.auth.logins).toBe(0);
  });

  it.each(['auth/approle/role/other/secret-id', 'auth/thief/role/portcullis/secret-id', 'sys/wrapping/wrap'])(
    'does not open what was wrapped by %s',
    async (origin) => {
      const id = server.auth.newSecretId('approle', 'portcullis');
      put('secret-id', server.wrap(ok({ data: { secret_id: id } }), origin, 300));
      open(approle());
      await expect(vault.open()).rejects.toThrow(/theft .*Destroy it/);
      expect([thefts.length, requestsTo('/wrapping/unwrap').length]).toEqual([1, 0]);
    },
  );

  it('takes a server that is away for no theft', async () => {
    await server.stop();
    open(approle());
    expect(await vault.open()).toBe(false);
    expect(thefts).toEqual([]);
    await server.listen();
    clock.advance(1_001);
    expect(await read()).toBe(404);
  });

  it('says that a new secret-id is needed where the old one served once, and takes it when it is there', async () => {
    server.role('approle', 'portcullis', { ...appRole, secretIdUses: 1 });
    put('secret-id', server.wrappedSecretId('portcullis'));
    open(approle());
    expect(await read()).toBe(404);
    advance(2 * HOUR);
    await expect(read()).rejects.toMatchObject({ reason: 'unauthenticated', status: 400 });
    put('secret-id', server.wrappedSecretId('portcullis'));
    clock.advance(1_001);
    expect(await read()).toBe(404);
  });

  it('refuses files that others may read', async () => {
    open(approle());
    chmodSync(file('secret-id'), 0o644);
    await expect(vault.open()).rejects.toThrow(/0600/);
  });
});

describe('a login by a token of the platform', () => {
  it.each(['kubernetes', 'jwt'] as const)('reads the file anew each time: %s', async (method) => {
    let good = 'jwt-1';
    server.role(method, 'portcullis', { ...appRole, jwt: (jwt) => jwt === good });
    open({ method, mount: method, role: 'portcullis', jwtFile: put('jwt', 'jwt-1') });
    expect(await read()).toBe(404);
    good = 'jwt-2';
    put('jwt', 'jwt-2');
    advance(2 * HOUR);
    expect(await read()).toBe(404);
    expect(server.auth.logins).toBe(2);
    put('jwt', 'jwt-1');
    advance(2 * HOUR);
    await expect(read()).rejects.toMatchObject({ reason: 'unauthenticated', status: 403 });
  });
});

describe('a token that is handed in', () => {
  it('is refused where it is one of root', async () => {
    open({ method: 'token', tokenFile: put('token', server.rootToken) });
    await expect(vault.open()).rejects.toThrow(/root token/);
    await expect(read()).rejects.toThrow(/root token/);
    expect(requestsTo('/org/db')).toEqual([]);
  });

  it('serves where it is one of its own', async () => {
    open({ method: 'token', tokenFile: put('token', server.auth.issue(appRole).id) });
    expect(await read()).toBe(404);
  });
});

describe('a session with the secret store', () => {
  it('renews in time, and no timer waits longer than Node can', async () => {
    server.role('approle', 'portcullis', { policies: ['portcullis'], ttl: 768 * HOUR, maxTtl: 0 });
    const timers = vi.spyOn(globalThis, 'setTimeout');
    open(approle());
    await vault.open();
    const waits = timers.mock.calls.map(([, wait]) => wait ?? 0);
    expect(Math.max(...waits)).toBeGreaterThan(1_000_000);
    expect(Math.max(...waits)).toBeLessThan(2 ** 31);
    advance(300 * HOUR);
    await session.keep();
    expect(requestsTo('/renew-self')).toEqual([]);
    advance(300 * HOUR);
    await session.keep();
    await session.keep();
    expect(requestsTo('/renew-self')).toHaveLength(1);
    advance(767 * HOUR);
    expect(await read()).toBe(404);
    expect(server.auth.logins).toBe(1);
  });

  it('logs in anew where a renewal gives less than was asked', async () => {
    open(approle());
    await vault.open();
    server.auth.longestRenewal = 600;
    advance(0.8 * HOUR);
    await session.keep();
    expect([requestsTo('/renew-self').length, server.auth.logins]).toEqual([1, 2]);
  });

  it('keeps a token that is still good while a renewal fails', async () => {
    open(approle());
    await vault.open();
    server.misbehave({ status: 500 }, Infinity, /renew-self|login/);
    advance(0.8 * HOUR);
    await session.keep();
    expect(failures).toHaveLength(1);
    expect(await read()).toBe(404);
    server.behave();
    advance(0.1 * HOUR);
    await session.keep();
    expect(requestsTo('/renew-self').length).toBeGreaterThan(1);
    advance(0.5 * HOUR);
    expect(await read()).toBe(404);
    expect(server.auth.logins).toBe(1);
  });

  it('logs in once more where the token is refused, and not for each who was refused', async () => {
    open(approle());
    await vault.open();
    clock.advance(11_000);
    server.auth.tokens.clear();
    const statuses = await Promise.all(Array.from({ length: 20 }, read));
    expect(new Set(statuses)).toEqual(new Set([404]));
    expect(server.auth.logins).toBe(2);
  });

  it('is refused for good where the policy does not allow it, and does not flood the server with logins', async () => {
    open(approle());
    await vault.open();
    server.policy('portcullis', []);
    clock.advance(11_000);
    for (let i = 0; i < 5; i++) await expect(read()).rejects.toMatchObject({ reason: 'forbidden' });
    expect(server.auth.logins).toBe(2);
  });

  it('does not hammer a server that refuses logins', async () => {
    server.misbehave({ status: 400, errors: ['invalid role or secret ID'] }, Infinity, /login$/);
    open(approle());
    for (let i = 0; i < 20; i++) await expect(read()).rejects.toMatchObject({ reason: 'unauthenticated' });
    expect(requestsTo('/login')).toHaveLength(1);
  });

  it('shows its token to nobody who prints it', async () => {
    open(approle());
    await vault.open();
    const [token] = [...server.auth.tokens.keys()].filter((id) => id !== server.rootToken);
    for (const thing of [session, vault])
      expect(inspect(thing, { depth: 12, showHidden: true })).not.toContain(token);
  });

  it('renews by itself', async () => {
    server.role('approle', 'portcullis', { policies: ['portcullis'], ttl: 2, maxTtl: HOUR });
    open(approle());
    await vault.open();
    await until(async () => requestsTo('/renew-self').length > 0);
  });
});
