import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MovableClock, until } from '../../../test/kit/app-in-process.ts';
import { cloneDatabase, run, type TestDatabase } from '../../../test/kit/database.ts';
import { callerIn, seedTenant, type SeededTenant } from '../../../test/kit/tenants.ts';
import { parsePolicy } from '../../../test/kit/vault/policy.ts';
import { VaultServer } from '../../../test/kit/vault-server.ts';
import { Database } from '#database';
import { newId } from '#kernel';
import { loginOf } from './login.ts';
import { VaultSession } from './session.ts';
import { VaultClient } from './vault-client.ts';
import { type DatabaseLoginKind, VaultDatabaseLogins } from './vault-database-logins.ts';
import { Vault } from './vault.ts';

const POLICY = fileURLToPath(
  new URL('../../../deploy/vault/policies/portcullis-database.hcl', import.meta.url),
);
/** Seconds. A pool is renewed after two thirds of it, and what is at work has the rest to end. */
const TTL = 15;

let clone: TestDatabase;
let server: VaultServer;
let vault: Vault;
let database: Database;
let tenant: SeededTenant;
let folder: string;
const reports: unknown[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-logins-'));
  clone = await cloneDatabase();
  tenant = await seedTenant(clone.adminUrl);
  server = await VaultServer.start({ databaseUrl: clone.adminUrl });
  server.policy('portcullis', parsePolicy(readFileSync(POLICY, 'utf8'), { database: 'database' }));
  const token = server.auth.issue({ policies: ['portcullis', 'default'], ttl: 86_400, maxTtl: 0 }).id;
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const at = { address: server.url, namespace: undefined, ca: undefined, deadlineMs: 2_000 };
  const client = new VaultClient(at);
  const events = { theft: async () => undefined, failed: () => undefined };
  vault = new Vault(
    client,
    new VaultSession(client, loginOf(client, { method: 'token', tokenFile }), new MovableClock(), events),
    3_000,
  );
  reports.length = 0;
});
afterEach(async () => {
  await database.onApplicationShutdown();
  await vault.close();
  await server.stop();
  await clone.drop();
  const left = await usersOf();
  seen.clear();
  for (const user of left) await run(inAdmin(), `DROP ROLE IF EXISTS "${user}"`);
  rmSync(folder, { recursive: true });
});

const inAdmin = (): string => {
  const url = new URL(clone.adminUrl);
  url.pathname = 'postgres';
  return url.href;
};
/** Users that this specification has seen. */
const seen = new Set<string>();
const noteLeases = (): void => {
  for (const { user } of server.database.leases.values()) seen.add(user);
};
const usersOf = async (): Promise<string[]> => {
  noteLeases();
  const rows = await run(inAdmin(), 'SELECT rolname FROM pg_roles WHERE rolname = ANY($1) ORDER BY 1', [
    [...seen],
  ]);
  return rows.map(({ rolname }) => rolname as string);
};
const connectionsOf = async (): Promise<string[]> => {
  const rows = await run(
    clone.adminUrl,
    `SELECT DISTINCT usename::text AS usename FROM pg_stat_activity
      WHERE datname = current_database() AND usename = ANY($1)`,
    [[...seen]],
  );
  return rows.map(({ usename }) => usename as string);
};

async function open(kind: DatabaseLoginKind): Promise<void> {
  database = new Database(
    {
      urls: clone.urls,
      poolSize: 8,
      credentials: new VaultDatabaseLogins(vault, 'database', kind),
      report: (error) => reports.push(error),
    },
    { settled: async () => undefined },
  );
  await database.connect();
}

const whoAsked: Set<string> = new Set();
/** One transaction of each role; in the organization it sees one organization and works as the role. */
async function work(): Promise<void> {
  const mine = await database.inOrg(callerIn(tenant), (tx) =>
    tx.query<{ who: string; role: string; orgs: string }>(
      `SELECT session_user::text AS who, current_user::text AS role, (SELECT count(*) FROM organizations) AS orgs`,
    ),
  );
  expect(mine).toMatchObject([{ role: 'portcullis_app', orgs: '1' }]);
  const all = await database.acrossOrgs('system_state', (tx) =>
    tx.query<{ who: string; role: string }>('SELECT session_user::text AS who, current_user::text AS role'),
  );
  expect(all).toMatchObject([{ role: 'portcullis_system' }]);
  for (const { who } of [...mine, ...all]) {
    whoAsked.add(who);
    seen.add(who);
  }
}

/** Works in eight places at once until it is stopped; what failed. */
function load(): { stop: () => Promise<unknown[]>; done: () => number } {
  const at = { stopped: false };
  let done = 0;
  const failures: unknown[] = [];
  const loops = Array.from({ length: 8 }, async () => {
    while (!at.stopped) {
      await work().then(
        () => (done += 1),
        (error: unknown) => failures.push(error),
      );
    }
  });
  return {
    done: () => done,
    stop: async () => {
      at.stopped = true;
      await Promise.all(loops);
      return failures;
    },
  };
}

describe('leased users', () => {
  beforeEach(() => {
    whoAsked.clear();
    for (const role of ['app', 'system'] as const) {
      server.database.roles.set(`portcullis-${role}`, {
        creation: [
          `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE portcullis_${role}`,
        ],
        revocation: [`DROP ROLE IF EXISTS "{{name}}"`],
        ttl: TTL,
        maxTtl: TTL,
      });
    }
  });

  it('take over from each other under load, no request fails, and those before are gone', async () => {
    await open('leased');
    const running = load();
    await until(async () => whoAsked.size >= 10);
    expect(await running.stop()).toEqual([]);
    expect(running.done()).toBeGreaterThan(12);
    expect(reports).toEqual([]);
    // All that is left are the present ones, and what is connected is theirs.
    const present = await until(async () => {
      const users = await usersOf();
      return users.length === 2 && users;
    });
    const connected = await connectionsOf();
    expect(connected.filter((user) => !present.includes(user))).toEqual([]);
    await database.onApplicationShutdown();
    expect([await usersOf(), await connectionsOf()]).toEqual([[], []]);
  });

  it('go on while the store is away, until it is back', async () => {
    await open('leased');
    const running = load();
    await until(async () => running.done() > 5);
    await server.stop();
    await until(async () => reports.length > 0);
    await server.listen();
    const before = new Set(whoAsked);
    await until(async () => [...whoAsked].some((who) => !before.has(who)));
    await running.stop();
    for (const report of reports) expect(JSON.stringify(report)).not.toMatch(/password/i);
  });

  it('that have more rights than the role are not worked with', async () => {
    server.database.roles.set('portcullis-app', {
      creation: [`CREATE ROLE "{{name}}" LOGIN SUPERUSER PASSWORD '{{password}}'`],
      revocation: [`DROP ROLE IF EXISTS "{{name}}"`],
      ttl: 60,
      maxTtl: 60,
    });
    await expect(open('leased')).rejects.toThrow('no more rights');
    expect(server.database.leases.size).toBe(0);
    const strong = await run(
      inAdmin(),
      `SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-portcullis-%' AND rolsuper`,
    );
    expect(strong).toEqual([]);
  });
});

describe('users that last', () => {
  it('work on through every change of their password', async () => {
    for (const role of ['app', 'system'] as const) {
      const user = `static-${role}-${newId()}`;
      seen.add(user);
      await run(clone.adminUrl, `CREATE ROLE "${user}" LOGIN IN ROLE portcullis_${role}`);
      await server.database.addStatic(`portcullis-${role}`, user, 3_600);
    }
    await open('static');
    const failures: unknown[] = [];
    const burst = () =>
      Promise.all(
        Array.from({ length: 8 }, () => work().catch((error: unknown) => void failures.push(error))),
      );
    for (let change = 0; change < 6; change += 1) {
      await work();
      await server.database.rotateStatic('portcullis-app');
      await server.database.rotateStatic('portcullis-system');
      // More than there are connections: those that are new must sign in by the new password.
      await burst();
    }
    expect(failures).toEqual([]);
    const reads = server.requests.filter(({ path }) => path.includes('static-creds')).length;
    expect(reads).toBeGreaterThan(4);
    expect(reads).toBeLessThanOrEqual(14);
  });
});
