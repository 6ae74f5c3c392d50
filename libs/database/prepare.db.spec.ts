import { chmodSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import { emptyDatabase, run } from '../../test/kit/database.ts';
import { until } from '../../test/kit/until.ts';
import { type EmbeddedServer, startEmbeddedServer } from './embedded-server.ts';
import { type DatabaseUrls, prepareDatabase } from './prepare.ts';

// Roles belong to the whole server, and these specs do things to them that other specs must not meet.
let server: EmbeddedServer;
let home: string;
const cleanups: (() => Promise<unknown>)[] = [];

async function startServer(): Promise<EmbeddedServer> {
  home = mkdtempSync(join(inject('runDirectory'), 'prepare-'));
  chmodSync(home, 0o711);
  return startEmbeddedServer({ dataDir: home, log: () => undefined, settings: { fsync: 'off' } });
}

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server.stop());

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function database(): Promise<string> {
  const { adminUrl, drop } = await emptyDatabase(server.adminUrl);
  cleanups.push(drop);
  return adminUrl;
}

async function dropRoles(): Promise<void> {
  await run(server.adminUrl, 'drop role portcullis_owner, portcullis_app, portcullis_system');
}

/** A login role for one test, and the URL by which it signs in. */
async function loginRole(adminUrl: string, attributes: string): Promise<string> {
  const name = `visitor_${Math.random().toString(36).slice(2)}`;
  await run(adminUrl, `create role ${name} login password 'a-visitor' ${attributes}`);
  cleanups.push(async () => {
    await run(server.adminUrl, `drop owned by ${name}; drop role ${name}`);
  });
  return urlWith(adminUrl, { username: name, password: 'a-visitor' });
}

function urlWith(
  url: string,
  parts: Partial<Pick<URL, 'username' | 'password' | 'port' | 'hostname' | 'pathname'>>,
) {
  return Object.assign(new URL(url), parts).href;
}

const message = (work: Promise<unknown>) =>
  work.then(
    () => 'it did not fail',
    (error: Error) => error.message,
  );

test('a role that another database of the server makes at this moment is waited for', async () => {
  // The first spec on a new server: there are no roles yet.
  expect(await run(server.adminUrl, `select from pg_roles where rolname like 'portcullis%'`)).toEqual([]);
  const adminUrl = await database();
  const other = new pg.Client({ connectionString: server.adminUrl });
  await other.connect();
  await other.query('begin; create role portcullis_owner login');
  const prepared = prepareDatabase(adminUrl);
  const waiting = `select from pg_stat_activity where query like 'create role%' and wait_event_type = 'Lock'`;
  await until(async () => (await run(server.adminUrl, waiting)).length === 1);
  await other.query('commit');
  await other.end();
  expect(await run((await prepared).owner, 'select current_user as who')).toEqual([
    { who: 'portcullis_owner' },
  ]);
});

test('many replicas and many databases of one server may be prepared at once', async () => {
  const databases = await Promise.all([1, 2, 3, 4].map(() => database()));
  await dropRoles();
  const urls = await Promise.all(
    databases.flatMap((url) => [url, url, url]).map((url) => prepareDatabase(url)),
  );
  for (const { app } of urls)
    expect(await run(app, 'select current_schema() as schema')).toEqual([{ schema: 'portcullis' }]);
});

test('the roles sign in and may do no more than their work', async () => {
  const adminUrl = await database();
  const urls = await prepareDatabase(adminUrl);
  const found = await run(
    adminUrl,
    `select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication from pg_roles
     where rolname like 'portcullis%' order by rolname`,
  );
  const powerless = {
    rolsuper: false,
    rolbypassrls: false,
    rolcreaterole: false,
    rolcreatedb: false,
    rolreplication: false,
  };
  expect(found).toEqual(
    ['portcullis_app', 'portcullis_owner', 'portcullis_system'].map((rolname) => ({ rolname, ...powerless })),
  );

  await run(urls.owner, 'create table thing (id int)');
  expect(
    await run(adminUrl, `select schemaname, tableowner from pg_tables where tablename = 'thing'`),
  ).toEqual([{ schemaname: 'portcullis', tableowner: 'portcullis_owner' }]);
  for (const url of [urls.app, urls.system]) {
    expect(await message(run(url, 'select * from thing'))).toBe('permission denied for table thing');
    expect(await message(run(url, 'create table portcullis.mine (id int)'))).toContain(
      'permission denied for schema',
    );
    expect(await message(run(url, 'create table public.mine (id int)'))).toContain(
      'permission denied for schema',
    );
    expect(await message(run(url, 'create schema mine'))).toContain('permission denied for database');
    expect(await message(run(url, 'set role portcullis_owner'))).toContain('permission denied to set role');
  }
});

test('every replica derives the same passwords, and none is the one of DATABASE_URL', async () => {
  const adminUrl = await database();
  const [one, two] = [await prepareDatabase(adminUrl), await prepareDatabase(adminUrl)];
  expect(two).toEqual(one);
  const passwords = Object.values(one).map((url) => new URL(url as string).password);
  expect(new Set([...passwords, new URL(adminUrl).password]).size).toBe(4);
});

test('a password that does not fit is set anew, and never stands in a statement', async () => {
  const adminUrl = await database();
  await run(adminUrl, `alter system set log_statement = 'all'`);
  await run(adminUrl, 'select pg_reload_conf()');
  cleanups.push(async () => {
    await run(server.adminUrl, 'alter system reset log_statement');
    await run(server.adminUrl, 'select pg_reload_conf()');
  });
  await run(adminUrl, `alter role portcullis_system password 'another'`);
  const urls = await prepareDatabase(adminUrl);
  await run(urls.system, 'select 1');
  const log = readFileSync(join(home, 'postgres.log'), 'utf8');
  expect(log).toContain('alter role portcullis_system login password');
  expect(log).not.toContain(new URL(urls.system).password);
});

test('rights that somebody gave a role are taken back where they can be, else stop the start', async () => {
  const adminUrl = await database();
  await run(adminUrl, 'alter role portcullis_app bypassrls');
  await prepareDatabase(adminUrl);
  expect(await run(adminUrl, `select rolbypassrls from pg_roles where rolname = 'portcullis_app'`)).toEqual([
    { rolbypassrls: false },
  ]);

  await run(adminUrl, 'grant portcullis_owner to portcullis_app');
  cleanups.push(() => run(adminUrl, 'revoke portcullis_owner from portcullis_app'));
  expect(await message(prepareDatabase(adminUrl))).toBe(
    'DATABASE_URL: the role portcullis_app must not be a member of portcullis_owner',
  );
});

test('a request role that owns something stops the start', async () => {
  const adminUrl = await database();
  await prepareDatabase(adminUrl);
  await run(adminUrl, 'create table public.stray (id int); alter table public.stray owner to portcullis_app');
  expect(await message(prepareDatabase(adminUrl))).toBe(
    'DATABASE_URL: the role portcullis_app owns database objects; it must own nothing',
  );
});

test('everybody loses the right to create in public', async () => {
  const adminUrl = await database();
  await run(adminUrl, 'grant create on schema public to public');
  const { app } = await prepareDatabase(adminUrl);
  expect(await message(run(app, 'create table public.mine (id int)'))).toContain(
    'permission denied for schema public',
  );
});

test('a schema of somebody else stops the start', async () => {
  const adminUrl = await database();
  await run(adminUrl, 'create schema portcullis');
  expect(await message(prepareDatabase(adminUrl))).toBe(
    'DATABASE_URL: the schema portcullis belongs to postgres; it must belong to portcullis_owner',
  );
});

test('a DATABASE_URL that may not create roles says what to run', async () => {
  const adminUrl = await database();
  const said = await message(prepareDatabase(await loginRole(adminUrl, 'nocreaterole')));
  expect(said).toContain('DATABASE_URL: its role may not create roles');
  expect(said).toContain('CREATE ROLE portcullis_app LOGIN');
  expect(said).toContain('PORTCULLIS_DATABASE_APP_URL');
});

test('with the three URLs given, DATABASE_URL need not create anything', async () => {
  const adminUrl = await database();
  const given = await prepareDatabase(adminUrl);
  expect(await prepareDatabase(await loginRole(adminUrl, 'nocreaterole'), given)).toEqual(given);
});

test('the given URLs are checked: all three, each with its role, password and schema', async () => {
  const adminUrl = await database();
  const given = await prepareDatabase(adminUrl);
  const refusal = (urls: Partial<DatabaseUrls>) => message(prepareDatabase(adminUrl, urls));
  expect(await refusal({ app: given.app })).toContain('PORTCULLIS_DATABASE_OWNER_URL: is not set');
  expect(await refusal({ ...given, app: given.owner })).toBe(
    'PORTCULLIS_DATABASE_APP_URL: signs in as portcullis_owner; it must sign in as portcullis_app',
  );
  expect(await refusal({ ...given, system: adminUrl })).toContain('signs in as postgres');
  expect(await refusal({ ...given, system: urlWith(given.system, { password: 'wrong' }) })).toBe(
    'PORTCULLIS_DATABASE_SYSTEM_URL: the server does not accept this user and password',
  );
  const bare = new URL(given.app);
  bare.search = '';
  expect(await refusal({ ...given, app: bare.href })).toContain(
    'must end with ?options=-c%20search_path%3Dportcullis',
  );
});

test('a role that may create roles and owns the database is enough: no superuser is needed', async () => {
  const adminUrl = await database();
  const name = new URL(adminUrl).pathname.slice(1);
  await dropRoles();
  await run(
    adminUrl,
    `create role manager login createrole password 'a-manager';
     alter database ${name} owner to manager`,
  );
  const managerUrl = urlWith(adminUrl, { username: 'manager', password: 'a-manager' });
  const urls = await prepareDatabase(managerUrl);
  expect(await run(urls.app, 'select current_user as who')).toEqual([{ who: 'portcullis_app' }]);

  // A new password of the manager's brings new ones of the roles.
  await run(adminUrl, `alter role manager password 'a-new-one'`);
  await run(adminUrl, 'alter role portcullis_owner nologin');
  const renewed = await prepareDatabase(urlWith(managerUrl, { password: 'a-new-one' }));
  expect(renewed).not.toEqual(urls);
  await expect(run(urls.system, 'select 1')).rejects.toMatchObject({ code: '28P01' });

  await run(adminUrl, 'alter role portcullis_app bypassrls');
  expect(await message(prepareDatabase(urlWith(managerUrl, { password: 'a-new-one' })))).toContain(
    'DATABASE_URL: its role may not create or alter the role portcullis_app',
  );
});

test('what is wrong with DATABASE_URL is one line that names it and holds no password', async () => {
  const adminUrl = await database();
  const password = 'hunter2-very-secret';
  const cases = {
    'the server does not accept this user and password': urlWith(adminUrl, { password }),
    'no server takes connections at this host and port': urlWith(adminUrl, { password, port: '1' }),
    'the host name is not known': urlWith(adminUrl, { password, hostname: 'nowhere.invalid' }),
    'the server has no database of this name': urlWith(adminUrl, { pathname: 'nowhere' }),
    'is not a URL (postgresql://user:password@host/database)': `host=127.0.0.1 password=${password}`,
  };
  for (const [problem, url] of Object.entries(cases)) {
    const said = await message(prepareDatabase(url));
    expect(said).toBe(`DATABASE_URL: ${problem}`);
    expect(said).not.toContain(password);
  }
});

test('servers before PostgreSQL 15 are refused', async () => {
  const adminUrl = await database();
  const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    return args[0] === 'show server_version_num'
      ? Promise.resolve({ rows: [{ server_version_num: '140012' }] })
      : query.apply(this, args);
  });
  expect(await message(prepareDatabase(adminUrl))).toBe(
    'DATABASE_URL: the server is PostgreSQL 14; Portcullis needs 15 or newer',
  );
  expect(await run(adminUrl, `select from pg_namespace where nspname = 'portcullis'`)).toEqual([]);
});
