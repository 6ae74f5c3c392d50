import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, refusedStart, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { type Account, setUp, signIn } from '../kit/tenancy.ts';
import { ok } from '../kit/vault/answer.ts';
import { parsePolicy } from '../kit/vault/policy.ts';
import { VaultServer } from '../kit/vault-server.ts';

/** A loaded machine takes its time. */
const PATIENCE_MS = 90_000;

/** The built product, with its secrets and the key to its master key in a server. */
describe('the product beside a secret store', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-vault-system-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), `${text}\n`, { mode: 0o600 });
    return join(folder, name);
  };
  const hcl = readFileSync(new URL('../../deploy/vault/policies/portcullis.hcl', import.meta.url), 'utf8');
  const names = {
    kv: 'kv',
    prefix: 'portcullis',
    transit: 'transit',
    master_key: 'portcullis',
    checkpoint_key: 'portcullis-checkpoints',
  };
  let server: VaultServer;
  let product: Product;
  let owner: Account;
  let env: Record<string, string>;

  const handOut = (): string => file('secret-id', server.wrappedSecretId('portcullis'));

  beforeAll(async () => {
    server = await VaultServer.start();
    server.policy('portcullis', parsePolicy(hcl, names));
    server.role('approle', 'portcullis', { policies: ['portcullis'], ttl: 3_600, maxTtl: 86_400 });
    server.transit.handle({
      method: 'POST',
      path: 'keys/portcullis',
      query: new URLSearchParams(),
      body: {},
    });
    env = {
      PORTCULLIS_SECRET_STORE: 'vault',
      PORTCULLIS_VAULT_ADDRESS: server.url,
      PORTCULLIS_VAULT_ROLE_ID_FILE: file('role-id', server.auth.roleId('approle', 'portcullis')),
      PORTCULLIS_VAULT_SECRET_ID_FILE: handOut(),
      PORTCULLIS_VAULT_TRANSIT_KEY: 'portcullis',
    };
    product = await startProduct({ env });
    owner = await setUp(product);
  });
  afterAll(async () => {
    await disposeAll([product]);
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const replica = async (): Promise<Record<string, string>> => ({
    ...env,
    DATABASE_URL: await product.databaseUrl(),
    PORTCULLIS_DATA_DIR: product.dataDir,
    PORTCULLIS_ROLE: 'api',
  });

  it('keeps secrets there, with the policy of deploy/vault and no other right', async () => {
    const admin = await signIn(product, owner, 'acme');
    const org = `/orgs/${admin.organization.id}`;
    const as = { token: admin.accessToken };
    const body = { path: 'ledger/db', fields: { password: 'canary-one' } };
    const { id } = expectAnswer<{ id: string }>(await product.api.post(`${org}/secrets`, body, as), 201);
    const answer = await product.api.post(`${org}/secrets/${id}/reveal`, {}, as);
    expect(expectAnswer<{ fields: object }>(answer, 200).fields).toEqual({ password: 'canary-one' });
    expect([...server.kv.keys.keys()]).toEqual([`portcullis/${admin.organization.id}/ledger/db`]);
    expect(server.auth.logins).toBe(1);
  });

  it('has a master key file that is worthless without the server', async () => {
    expect(readFileSync(join(product.dataDir, 'master.key'), 'utf8')).toMatch(/^vault:v1:/);
    const { PORTCULLIS_VAULT_TRANSIT_KEY: _key, ...without } = await replica();
    handOut();
    const refused = await refusedStart(without, PATIENCE_MS);
    expect(refused.output).toContain('base64url');
    expect(refused.code).toBe(1);
  });

  it('refuses to start where somebody opened the secret-id before, and says so in the platform’s log', async () => {
    server.unwrap(readFileSync(handOut(), 'utf8').trim());
    const refused = await refusedStart(await replica(), PATIENCE_MS);
    expect(refused.output).toMatch(/theft.*Destroy it by its accessor/s);
    expect(refused.code).toBe(1);
    const operator = await signIn(product, owner, 'platform');
    const url = `/orgs/${operator.organization.id}/audit/events?action=secret_store.theft_suspected`;
    const { items } = expectAnswer<{ items: { outcome: string; reason: string }[] }>(
      await product.api.get(url, { token: operator.accessToken }),
      200,
    );
    expect(items).toMatchObject([{ outcome: 'failure', reason: 'wrapped_secret_id' }]);
  });

  it('refuses to start with what another than the role has wrapped', async () => {
    const stolen = ok({ data: { secret_id: server.auth.newSecretId('approle', 'portcullis') } });
    file('secret-id', server.wrap(stolen, 'auth/approle/role/thief/secret-id', 300));
    expect((await refusedStart(await replica(), PATIENCE_MS)).output).toContain('it wraps something else');
  });

  it.each([
    [
      'a root token',
      () => ({ ALLOW_TOKEN: 'yes', TOKEN_FILE: file('token', server.rootToken) }),
      /root token/,
    ],
    [
      'a token that was not allowed',
      () => ({ TOKEN_FILE: file('token', 'x') }),
      /ALLOW_TOKEN=yes: not for production/,
    ],
  ])('refuses to start with %s', async (_what, more, message) => {
    const settings = Object.entries(more()).map(([name, value]) => [`PORTCULLIS_VAULT_${name}`, value]);
    const all = { ...(await replica()), PORTCULLIS_VAULT_AUTH: 'token', ...Object.fromEntries(settings) };
    const refused = await refusedStart(all, PATIENCE_MS);
    expect(refused.output).toMatch(message);
    expect(refused.output).not.toContain(server.rootToken);
    expect(refused.code).toBe(1);
  });

  it('shows no secret in anything it printed', async () => {
    const printed = readFileSync(product.logFile, 'utf8');
    expect(printed.length).toBeGreaterThan(100);
    for (const secret of ['canary', 'hvs.', server.rootToken]) expect(printed).not.toContain(secret);
  });
});
