import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, refusedStart, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { emptyDatabase, run } from '../kit/database.ts';
import { type Account, setUp, signIn } from '../kit/tenancy.ts';
import { parsePolicy } from '../kit/vault/policy.ts';
import { VaultServer } from '../kit/vault-server.ts';

/** Seconds. After two thirds there are other users. */
const TTL = 12;

/** The built product, whose pools sign in to PostgreSQL as users that the secret store makes and drops. */
describe('the product with leased users of the database', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-leased-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), `${text}\n`, { mode: 0o600 });
    return join(folder, name);
  };
  const policy = (name: string): string =>
    readFileSync(new URL(`../../deploy/vault/policies/${name}.hcl`, import.meta.url), 'utf8');
  let database: Awaited<ReturnType<typeof emptyDatabase>>;
  let server: VaultServer;
  let product: Product;
  let owner: Account;
  let env: Record<string, string>;

  const handOut = (): string => file('secret-id', server.wrappedSecretId('portcullis'));
  /** Users of PostgreSQL that were leased to this product, by the lease or by what is connected. */
  const seen = new Set<string>();
  const leased = (): string[] => [...server.database.leases.values()].map(({ user }) => user);
  const existing = async (): Promise<unknown[]> => {
    for (const user of leased()) seen.add(user);
    const rows = await run(database.adminUrl, 'SELECT rolname FROM pg_roles WHERE rolname = ANY($1)', [
      [...seen],
    ]);
    return rows.map(({ rolname }) => rolname);
  };
  const connected = async (): Promise<string[]> => {
    const rows = await run(
      database.adminUrl,
      `SELECT DISTINCT usename::text AS who FROM pg_stat_activity
        WHERE datname = current_database() AND usename LIKE 'v-portcullis-%' ORDER BY 1`,
    );
    const users = rows.map(({ who }) => String(who));
    for (const user of users) seen.add(user);
    return users;
  };

  beforeAll(async () => {
    database = await emptyDatabase();
    server = await VaultServer.start({ databaseUrl: database.adminUrl });
    server.policy(
      'portcullis',
      parsePolicy(policy('portcullis'), {
        kv: 'kv',
        prefix: 'portcullis',
        transit: 'transit',
        master_key: 'portcullis',
        checkpoint_key: 'portcullis-checkpoints',
      }),
    );
    server.policy('portcullis-database', parsePolicy(policy('portcullis-database')));
    const policies = ['portcullis', 'portcullis-database'];
    server.role('approle', 'portcullis', { policies, ttl: 3_600, maxTtl: 86_400, noDefault: true });
    for (const role of ['app', 'system']) {
      server.database.roles.set(`portcullis-${role}`, {
        creation: [
          `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE portcullis_${role}`,
        ],
        revocation: [`DROP ROLE IF EXISTS "{{name}}"`],
        ttl: TTL,
        maxTtl: TTL,
      });
    }
    env = {
      PORTCULLIS_DATABASE_CREDENTIALS: 'leased',
      PORTCULLIS_VAULT_ADDRESS: server.url,
      PORTCULLIS_VAULT_ROLE_ID_FILE: file('role-id', server.auth.roleId('approle', 'portcullis')),
      PORTCULLIS_VAULT_SECRET_ID_FILE: handOut(),
    };
    product = await startProduct({ env, databaseUrl: database.adminUrl });
    owner = await setUp(product);
  });
  afterAll(async () => {
    await disposeAll([product]);
    await server.stop();
    await database.drop();
    for (const user of seen) await run(adminOf(database.adminUrl), `DROP ROLE IF EXISTS "${user}"`);
    rmSync(folder, { recursive: true, force: true });
  });

  it('works as them, one of each role', async () => {
    await signIn(product, owner, 'acme');
    const kinds = async () => (await connected()).map((user) => user.replace(/-[0-9a-f]+$/, ''));
    await expect.poll(kinds).toEqual(expect.arrayContaining(['v-portcullis-app', 'v-portcullis-system']));
    // None but those; one whose lease ended between the two looks is gone at the next.
    await expect
      .poll(async () => {
        const users = await connected();
        return users.filter((user) => !leased().includes(user));
      })
      .toEqual([]);
  });

  it('goes from one to the next, and no request fails', async () => {
    const { accessToken: token } = await signIn(product, owner, 'acme');
    const statuses: Record<number, number> = {};
    const end = performance.now() + 90_000;
    const apps = (): number => [...seen].filter((user) => user.startsWith('v-portcullis-app-')).length;
    while (apps() < 4 && performance.now() < end) {
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => product.api.get('/auth/me', { token })),
      );
      for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
      await connected();
    }
    expect(apps()).toBeGreaterThanOrEqual(4);
    console.log(`${statuses[200]} requests over ${apps()} users of the role app, none failed`);
    expect(Object.keys(statuses)).toEqual(['200']);
  });

  it('stops clean: no connection, no lease and no user is left', async () => {
    expect((await existing()).length).toBeGreaterThan(0);
    await product.stop();
    expect(await connected()).toEqual([]);
    expect(leased()).toEqual([]);
    expect(await existing()).toEqual([]);
    const printed = product.output();
    for (const secret of ['hvs.', server.rootToken]) expect(printed).not.toContain(secret);
  });

  it('does not start while nobody gives it a user, and says why', async () => {
    handOut();
    await server.stop();
    const again = { ...env, DATABASE_URL: database.adminUrl, PORTCULLIS_DATA_DIR: product.dataDir };
    const refused = await refusedStart({ ...again, PORTCULLIS_VAULT_TIMEOUT_MS: '500' }, 60_000);
    expect(refused.output).toMatch(/the secret store: unreachable/);
    expect(refused.code).toBe(1);
    await server.listen();
  });

  it('starts again, as others', async () => {
    handOut();
    const before = new Set(seen);
    product = await startProduct({ env, databaseUrl: database.adminUrl, dataDir: product.dataDir });
    const admin = await signIn(product, owner, 'acme');
    expectAnswer(await product.api.get('/auth/me', { token: admin.accessToken }), 200);
    const users = await connected();
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter((user) => before.has(user))).toEqual([]);
  });
});

function adminOf(url: string): string {
  const other = new URL(url);
  other.pathname = 'postgres';
  return other.href;
}
