import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run as portcullis } from '../../apps/cli/cli.ts';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { type Account, addKey, setUp, signIn } from '../kit/tenancy.ts';
import { VaultServer } from '../kit/vault-server.ts';

const SCRIPT = fileURLToPath(new URL('../../deploy/vault/bootstrap.sh', import.meta.url));
const CHECKPOINT_KEY = 'portcullis-checkpoints';

interface Ran {
  readonly code: number;
  readonly out: string;
}

/** deploy/vault/bootstrap.sh on a server where nothing is mounted, and the built product on what it prepared. */
describe('a server that the script of deploy/vault prepares', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bootstrap-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  let server: VaultServer;
  let product: Product;
  let owner: Account;

  const bootstrap = async (args: string[] = [], env: Record<string, string> = {}): Promise<Ran> => {
    const all = {
      PATH: process.env['PATH'] ?? '',
      VAULT_ADDR: server.url,
      VAULT_TOKEN: server.rootToken,
      ...env,
    };
    try {
      const { stdout } = await promisify(execFile)('sh', [SCRIPT, ...args], { env: all });
      return { code: 0, out: stdout };
    } catch (error) {
      const { code, stdout } = error as { code: number; stdout: string };
      return { code, out: stdout };
    }
  };
  const ask = (token: string, method: string, path: string): Promise<number> =>
    fetch(`${server.url}/v1/${path}`, {
      method,
      headers: { 'X-Vault-Token': token, 'content-type': 'application/json' },
      ...(method === 'POST' && { body: '{}' }),
    }).then(({ status }) => status);
  const state = (): object => ({
    mounts: [...server.system.mounts],
    logins: [...server.system.logins],
    policies: [...server.system.policies].toSorted(([a], [b]) => a.localeCompare(b)),
    roles: [...server.auth.roles],
    roleId: server.auth.roleId('approle', 'portcullis'),
    keys: ['portcullis', CHECKPOINT_KEY].map((name) => keyOf(name)),
  });
  const keyOf = (name: string): unknown =>
    server.transit.handle({ method: 'GET', path: `keys/${name}`, query: new URLSearchParams(), body: {} });

  beforeAll(async () => {
    server = await VaultServer.start({ bare: true });
  });
  afterAll(async () => {
    await disposeAll([product]);
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('has its mounts, policies, role and keys; a second run changes nothing', async () => {
    const first = await bootstrap();
    expect(first).toMatchObject({ code: 0, out: expect.stringContaining('prepared: kv/portcullis') });
    const made = state();
    expect(made).toMatchObject({
      mounts: [
        ['kv', 'kv'],
        ['transit', 'transit'],
      ],
      logins: [['approle', 'approle']],
      roles: [
        [
          'approle/portcullis',
          { policies: ['portcullis'], ttl: 3_600, maxTtl: 86_400, noDefault: true, secretIdUses: 0 },
        ],
      ],
    });
    expect([...server.system.policies.keys()]).toEqual(['default', 'portcullis', 'portcullis-database']);
    expect(await bootstrap()).toEqual(first);
    expect(state()).toEqual(made);
  });

  it('is not half prepared in silence: the script ends with an error where the server refuses', async () => {
    expect(await bootstrap([], { VAULT_TOKEN: 'hvs.nobody' })).toMatchObject({ code: 22 });
    server.sealed = true;
    for (const args of [['secret-id'], ['role-id'], []]) {
      const { code, out } = await bootstrap(args);
      expect(code).not.toBe(0);
      // What stands there would be taken for a secret-id.
      if (args.length > 0) expect(out).toBe('');
    }
    server.sealed = false;
  });

  it('gives the product what it needs, and nothing besides', async () => {
    const { id: token } = server.auth.issue(server.auth.roles.get('approle/portcullis')!);
    const refused = [
      ['GET', 'sys/mounts/kv/tune'],
      ['POST', 'sys/policies/acl/portcullis'],
      ['GET', 'kv/data/another/x'],
      ['POST', 'transit/keys/portcullis/rotate'],
      ['GET', 'transit/keys/portcullis'],
      ['POST', `transit/keys/${CHECKPOINT_KEY}/config`],
      ['DELETE', `transit/keys/${CHECKPOINT_KEY}`],
      ['GET', `transit/export/signing-key/${CHECKPOINT_KEY}`],
      ['POST', 'transit/sign/portcullis'],
      ['POST', 'auth/approle/role/portcullis/secret-id'],
      ['GET', 'database/creds/portcullis-app'],
    ] as const;
    const statuses = await Promise.all(
      refused.map(async ([method, path]) => [`${method} ${path}`, await ask(token, method, path)]),
    );
    expect(statuses).toEqual(refused.map(([method, path]) => [`${method} ${path}`, 403]));
    expect(await ask(token, 'GET', `transit/keys/${CHECKPOINT_KEY}`)).toBe(200);
  });

  it('is what the product starts with: role-id and a wrapped secret-id as the script prints them', async () => {
    const roleId = await bootstrap(['role-id']);
    const secretId = await bootstrap(['secret-id']);
    expect([roleId.code, secretId.code]).toEqual([0, 0]);
    expect(secretId.out).toMatch(/^hvs\.wrap-\S+\n$/);
    product = await startProduct({
      env: {
        PORTCULLIS_SECRET_STORE: 'vault',
        PORTCULLIS_VAULT_ADDRESS: server.url,
        PORTCULLIS_VAULT_ROLE_ID_FILE: file('role-id', roleId.out),
        PORTCULLIS_VAULT_SECRET_ID_FILE: file('secret-id', secretId.out),
        PORTCULLIS_VAULT_TRANSIT_KEY: 'portcullis',
        PORTCULLIS_VAULT_TRANSIT_CHECKPOINT_KEY: CHECKPOINT_KEY,
      },
    });
    owner = await setUp(product);
    const admin = await signIn(product, owner, 'acme');
    const as = { token: admin.accessToken };
    const body = { path: 'ledger/db', fields: { password: 'canary-one' } };
    expectAnswer(await product.api.post(`/orgs/${admin.organization.id}/secrets`, body, as), 201);
    expect([...server.kv.keys.keys()]).toEqual([`portcullis/${admin.organization.id}/ledger/db`]);
  });

  it('signs checkpoints, which `portcullis audit verify` proves, also those before a rotation', async () => {
    const admin = await signIn(product, owner, 'acme');
    const org = `/orgs/${admin.organization.id}`;
    const { key } = await addKey(product, admin, ['audit:export', 'audit:read']);
    const text = async (path: string): Promise<string> => {
      const answer = await fetch(`${product.origin}${path}`, { headers: { authorization: `Bearer ${key}` } });
      expect(answer.status).toBe(200);
      return answer.text();
    };
    const first = file('first.checkpoint', await text(`/api/v1${org}/audit/checkpoint`));
    const [line = ''] = (await text('/.well-known/audit-keys')).split('\n');
    const published = Buffer.from(line.split('+').slice(2).join('+'), 'base64').subarray(1);
    expect(JSON.stringify(keyOf(CHECKPOINT_KEY))).toContain(published.toString('base64'));

    const operator = await signIn(product, owner, 'platform');
    const rotated = await product.api.post(
      '/platform/audit-keys/rotate',
      { overlapSeconds: 0 },
      { token: operator.accessToken },
    );
    expectAnswer(rotated, 200);
    expect(JSON.stringify(keyOf(CHECKPOINT_KEY))).toContain('"latest_version":2');
    const second = file('second.checkpoint', await text(`/api/v1${org}/audit/checkpoint`));
    const keys = file('audit-keys', await text('/.well-known/audit-keys'));
    const lines = file('export.ndjson', await text(`/api/v1${org}/audit/export?limit=10000`));
    const given = ['--checkpoint', first, '--checkpoint', second, '--ignore-tail'];
    expect(await verified([lines, ...given, '--keys', keys])).toMatchObject({ code: 0 });
    // By the new key alone the old checkpoint proves nothing.
    const newest = file('newest-key', (await text('/.well-known/audit-keys')).split('\n')[0]!);
    const unproven = await verified([lines, ...given, '--keys', newest]);
    expect(unproven.code).toBe(1);
    expect(unproven.out).toContain('unproven');
  });

  it('is away: no checkpoint is signed, and people work on', async () => {
    await server.stop();
    const admin = await signIn(product, owner, 'acme');
    const org = `/orgs/${admin.organization.id}`;
    const as = { token: admin.accessToken };
    const refused = await product.api.get(`${org}/audit/checkpoint`, as);
    expectAnswer(refused, 503, 'audit.signer_unavailable');
    const ready = await fetch(`${product.origin}/health/ready`);
    expect(ready.status).toBe(200);
    expect(((await ready.json()) as { components: object[] }).components).toContainEqual({
      name: 'audit',
      state: 'degraded',
      reason: 'not_signing',
    });
    expect((await fetch(`${product.origin}/.well-known/audit-keys`)).status).toBe(200);
    await server.listen();
    await expect
      .poll(async () => (await product.api.get(`${org}/audit/checkpoint`, as)).status, {
        timeout: 60_000,
        interval: 500,
      })
      .toBe(200);
  });
});

async function verified(args: string[]): Promise<Ran> {
  let out = '';
  const output = new Writable({
    write(chunk: Buffer, _, done) {
      out += chunk.toString();
      done();
    },
  });
  const code = await portcullis(['audit', 'verify', ...args], {
    input: Readable.from([]),
    output,
    errors: output,
  });
  return { code, out };
}
