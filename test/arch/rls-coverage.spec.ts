import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneDatabase, type TestDatabase } from '../kit/database.ts';
import { asRole, type Query, stateOf } from '../kit/sql.ts';
import { seedTenant, type SeededTenant } from '../kit/tenants.ts';
import { appMayNotRead, callable, jobGrants, unaudited, withoutOrgPolicy } from './rls-exemptions.ts';

const SCHEMA = `'portcullis'::regnamespace`;
const ROLES = ['portcullis_app', 'portcullis_system'];

let database: TestDatabase;
let mine: SeededTenant;
let other: SeededTenant;

beforeAll(async () => {
  database = await cloneDatabase();
  mine = await seedTenant(database.adminUrl);
  other = await seedTenant(database.adminUrl);
});
afterAll(() => database.drop());

const admin = <T>(work: (query: Query) => Promise<T>): Promise<T> => asRole(database.adminUrl, work);
const list = async (sql: string): Promise<string[]> =>
  (await admin((query) => query(sql))).map((row) => String(Object.values(row)[0]));
const tables = (): Promise<string[]> =>
  list(`SELECT relname FROM pg_class WHERE relnamespace = ${SCHEMA} AND relkind IN ('r', 'p') ORDER BY 1`);

/** Tables that row-level security does not confine, whoever asks: not forced, or without the app's policy. */
const unconfined = (): Promise<string[]> =>
  list(`
    SELECT c.relname FROM pg_class c
     WHERE c.relnamespace = ${SCHEMA} AND c.relkind IN ('r', 'p') AND NOT (
       c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
         SELECT FROM pg_policy p
          WHERE p.polrelid = c.oid AND p.polroles = ARRAY['portcullis_app'::regrole::oid] AND p.polcmd = '*'
            AND pg_get_expr(p.polqual, c.oid) IN ('(org_id = current_org())', '(id = current_org())')
            AND pg_get_expr(p.polwithcheck, c.oid) = pg_get_expr(p.polqual, c.oid))
       -- Policies add up: one more would open what the first closes.
       AND 1 = (SELECT count(*) FROM pg_policy p
                 WHERE p.polrelid = c.oid
                   AND (p.polroles @> ARRAY['portcullis_app'::regrole::oid] OR p.polroles @> ARRAY[0::oid])))
     ORDER BY 1`);

/** Tables that a change does not need an audit record for. */
const unguarded = (): Promise<string[]> =>
  list(`
    SELECT c.relname FROM pg_class c
     WHERE c.relnamespace = ${SCHEMA} AND c.relkind IN ('r', 'p')
       AND NOT EXISTS (
         -- 29: a row trigger AFTER INSERT, DELETE and UPDATE (pg_trigger.h), deferred, always on.
         SELECT FROM pg_trigger t
          WHERE t.tgrelid = c.oid AND t.tgfoid = 'portcullis.require_audit'::regproc AND t.tgtype = 29
            AND t.tgdeferrable AND t.tginitdeferred AND t.tgenabled = 'O' AND t.tgqual IS NULL)
       AND 3 > (
         SELECT count(DISTINCT t.tgtype) FROM pg_trigger t
          WHERE t.tgrelid = c.oid AND t.tgfoid = 'portcullis.require_audit_before'::regproc
            AND t.tgtype IN (4, 8, 16) AND t.tgenabled = 'O' AND t.tgqual IS NULL)
     ORDER BY 1`);

const opened = (): Promise<string[]> =>
  list(`
    SELECT p.proname || ' by ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
      FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
     WHERE p.pronamespace = ${SCHEMA} AND a.grantee <> p.proowner ORDER BY 1`);

describe('every table', () => {
  it('is confined to the organization of the transaction, or says why not', async () => {
    expect(await unconfined()).toEqual(Object.keys(withoutOrgPolicy).sort());
    expect((await tables()).length).toBeGreaterThanOrEqual(19);
  });

  it('is closed to the app where it is not confined', async () => {
    for (const table of Object.keys(withoutOrgPolicy).filter((name) => name !== 'users')) {
      const state = await asRole(database.urls.app, (query) =>
        stateOf(query, () => query(`SELECT 1 FROM ${table}`)),
      );
      expect(state, table).toBe('42501');
    }
  });

  it('changes only with an audit record, or says why not', async () => {
    expect(await unguarded()).toEqual(Object.keys(unaudited).sort());
    expect((await tables()).length - Object.keys(unaudited).length).toBeGreaterThanOrEqual(10);
  });

  it('of state refuses truncation', async () => {
    const state = (await tables()).filter((table) => unaudited[table] === undefined);
    for (const table of state) {
      for (const url of [database.urls.owner, database.adminUrl]) {
        const end = await asRole(url, (query) => stateOf(query, () => query(`TRUNCATE ${table} CASCADE`)));
        expect(end, table).toMatch(/^PC00[12]$/);
      }
    }
  });

  it('is found when it is left open, unguarded or opened by a second policy', async () => {
    await asRole(database.urls.owner, async (query) => {
      await query('CREATE TABLE forgotten (org_id uuid, id uuid)');
      await query('CREATE TABLE half_open (org_id uuid, id uuid)');
      await query(`SELECT protect('half_open'), guard_state('half_open')`);
      await query('CREATE POLICY everything ON half_open TO PUBLIC USING (true)');
      await query('CREATE FUNCTION anybodys() RETURNS int LANGUAGE sql RETURN 1');
      await query('GRANT EXECUTE ON FUNCTION anybodys TO PUBLIC');
    });
    try {
      expect(await unconfined()).toEqual(expect.arrayContaining(['forgotten', 'half_open']));
      expect(await unguarded()).toContain('forgotten');
      expect(await unguarded()).not.toContain('half_open');
      expect(await opened()).toContain('anybodys by PUBLIC');
    } finally {
      await asRole(database.urls.owner, (query) =>
        query('DROP TABLE forgotten; DROP TABLE half_open; DROP FUNCTION anybodys'),
      );
    }
  });
});

describe('every function', () => {
  it('is closed to all but those who need it', async () => {
    const agreed = Object.entries(callable).flatMap(([name, { by }]) =>
      by.map((role) => `${name} by ${role}`),
    );
    expect(await opened()).toEqual(agreed.sort());
  });

  it('that runs with its owner’s rights finds names in its own schema only', async () => {
    const definers = `FROM pg_proc WHERE pronamespace = ${SCHEMA} AND prosecdef`;
    const safe = `ARRAY['search_path=portcullis, pg_temp']`;
    expect(await list(`SELECT proname ${definers} AND NOT coalesce(proconfig @> ${safe}, false)`)).toEqual(
      [],
    );
    expect(await list(`SELECT proname ${definers} AND proowner <> 'portcullis_owner'::regrole`)).toEqual([]);
    expect((await list(`SELECT proname ${definers}`)).length).toBeGreaterThanOrEqual(8);
  });

  it('starts closed when it is made tomorrow', async () => {
    await asRole(database.urls.owner, async (query) => {
      await query('BEGIN');
      await query('CREATE FUNCTION of_tomorrow() RETURNS int LANGUAGE sql RETURN 1');
      const [row] = await query(
        `SELECT has_function_privilege('portcullis_app', 'of_tomorrow()', 'EXECUTE') AS open`,
      );
      await query('ROLLBACK');
      expect(row).toEqual({ open: false });
    });
  });
});

it('the schema of jobs grants what adding and working off takes, and nothing to everybody', async () => {
  const granted = (acl: string, column = 'NULL') => `
    SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS role, a.privilege_type, c.relname,
           ${column} AS attname
      FROM pg_class c ${column === 'NULL' ? '' : 'JOIN pg_attribute t ON t.attrelid = c.oid'}, aclexplode(${acl}) a
     WHERE c.relnamespace = 'pgboss'::regnamespace AND a.grantee <> c.relowner`;
  const found = await list(`
    SELECT role || ': ' || string_agg(DISTINCT privilege_type, ', ' ORDER BY privilege_type)
           || coalesce(' (' || string_agg(attname, ', ' ORDER BY attname) || ')', '') || ' on ' || relname
      FROM (${granted('c.relacl')} UNION ALL ${granted('t.attacl', 't.attname')}) g
     GROUP BY role, relname, attname IS NULL ORDER BY 1`);
  expect(found).toEqual(jobGrants);
  expect(
    await list(`
      SELECT p.proname || ' by ' || a.grantee::regrole::text
        FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
       WHERE p.pronamespace = 'pgboss'::regnamespace AND a.grantee <> p.proowner ORDER BY 1`),
  ).toEqual([
    'create_queue by portcullis_system',
    'job_now by portcullis_app',
    'job_now by portcullis_system',
  ]);
});

describe('the roles of the product', () => {
  it('own nothing, have no power and belong to no other role', async () => {
    const powers = 'rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication';
    const named = `rolname IN ('portcullis_app', 'portcullis_system', 'portcullis_owner')`;
    expect(await list(`SELECT rolname FROM pg_roles WHERE ${named} AND (${powers})`)).toEqual([]);
    expect(await list(`SELECT rolname FROM pg_roles WHERE ${named}`)).toHaveLength(3);
    for (const role of ROLES) {
      const owned = `FROM pg_shdepend WHERE refobjid = '${role}'::regrole AND deptype = 'o'`;
      expect(await list(`SELECT objid ${owned}`), role).toEqual([]);
      expect(await list(`SELECT roleid FROM pg_auth_members WHERE member = '${role}'::regrole`)).toEqual([]);
    }
  });

  const forbidden: Record<string, string> = {
    'become the owner': 'SET ROLE portcullis_owner',
    'become the superuser': 'SET ROLE postgres',
    'sign in again as the owner': 'SET SESSION AUTHORIZATION portcullis_owner',
    'switch a trigger off': 'ALTER TABLE roles DISABLE TRIGGER require_audit',
    'switch all triggers off': 'SET session_replication_role = replica',
    'switch row-level security off': 'ALTER TABLE roles NO FORCE ROW LEVEL SECURITY',
    'make a policy': 'CREATE POLICY mine ON roles USING (true)',
    'drop a policy': 'DROP POLICY org_rows ON roles',
    'truncate a table': 'TRUNCATE roles CASCADE',
    'make a table': 'CREATE TABLE mine (id int)',
    'make a function': 'CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1',
    'make a schema': 'CREATE SCHEMA mine',
    'make a table elsewhere': 'CREATE TABLE public.mine (id int)',
    'make a trigger': 'CREATE TRIGGER mine AFTER INSERT ON roles EXECUTE FUNCTION forbid_truncate()',
    'replace a function': `CREATE OR REPLACE FUNCTION current_org() RETURNS uuid LANGUAGE sql RETURN null`,
    'read the passwords of the server': 'SELECT rolpassword FROM pg_authid',
    'read a file of the server': `SELECT pg_read_file('postgresql.conf')`,
    'run a program of the server': `COPY (SELECT 1) TO PROGRAM 'true'`,
    'write a file of the server': `COPY (SELECT 1) TO '/tmp/portcullis'`,
    'change the server': 'ALTER SYSTEM SET log_statement = none',
    'make a temporary table, which would stand before ours': 'CREATE TEMP TABLE roles (org_id uuid)',
    'read or write the schema’s history': 'SELECT 1 FROM migrations',
    'check who is live': 'SELECT session_is_live(gen_random_uuid(), gen_random_uuid())',
    'take the lock of a log': 'SELECT audit_lock()',
    'guard or protect a table': `SELECT protect('roles')`,
    'write an invalidation': `INSERT INTO invalidations (pos, subject) VALUES (1, 'x')`,
  };

  it.each(Object.entries(forbidden))('may not %s', async (_what, sql) => {
    for (const role of ['app', 'system'] as const) {
      const state = await asRole(database.urls[role], (query) => stateOf(query, () => query(sql)));
      expect(state, role).toBe('42501');
    }
  });

  it.each([
    'passwords',
    ...appMayNotRead,
    'challenges',
    'signing_keys',
    'key_peppers',
    'audit_keys',
    'deployment',
    'setup_tokens',
    'replicas',
  ])('are two, and the app may not read %s', async (table) => {
    const state = await asRole(database.urls.app, (query) =>
      stateOf(query, () => query(`SELECT 1 FROM ${table}`)),
    );
    expect(state).toBe('42501');
  });
});

describe('the app, below everything the product checks', () => {
  const confined = async (): Promise<{ table: string; column: string }[]> => {
    const open = new Set(await unconfined());
    return (await tables())
      .filter((table) => !open.has(table) && !appMayNotRead.has(table))
      .map((table) => ({ table, column: table === 'organizations' ? 'id' : 'org_id' }));
  };
  const inOrg = async (query: Query, orgId: string): Promise<void> => {
    await query('BEGIN');
    await query(`SELECT set_config('app.org_id', $1, true)`, [orgId]);
  };

  it('sees nothing before an organization is set, and then its rows only', async () => {
    const all = await confined();
    expect(all.length).toBeGreaterThanOrEqual(9);
    await asRole(database.urls.app, async (query) => {
      for (const { table, column } of all) {
        expect(await query(`SELECT 1 FROM ${table}`), table).toEqual([]);
        await inOrg(query, mine.orgId);
        const rows = await query(`SELECT DISTINCT ${column} AS org FROM ${table}`);
        await query('ROLLBACK');
        expect(rows, table).toEqual([{ org: mine.orgId }]);
        expect(await query(`SELECT 1 FROM ${table}`), table).toEqual([]);
      }
    });
  });

  it.each(['', 'not-a-uuid'])('sees nothing where the organization is set to %j', async (value) => {
    await asRole(database.urls.app, async (query) => {
      await query(`SELECT set_config('app.org_id', $1, false)`, [value]);
      const state = await stateOf(query, async () => expect(await query('SELECT 1 FROM roles')).toEqual([]));
      expect(state).toBe(value === '' ? 'ok' : '22P02');
    });
  });

  it('sees the people of its organization only, by any path', async () => {
    await asRole(database.urls.app, async (query) => {
      await inOrg(query, mine.orgId);
      expect(await query('SELECT id FROM users')).toEqual([{ id: mine.userId }]);
      expect(await query('SELECT id FROM users WHERE id = $1', [other.userId])).toEqual([]);
    });
  });

  it('changes nothing of another organization', async () => {
    const changes: [string, string][] = [];
    for (const { table, column } of await confined()) {
      changes.push([table, `UPDATE ${table} SET ${column} = ${column} WHERE ${column} = '${other.orgId}'`]);
      changes.push([table, `DELETE FROM ${table} WHERE ${column} = '${other.orgId}'`]);
    }
    changes.push([
      'sessions',
      `UPDATE sessions SET revoked_at = now(), revoked_reason = 'x' WHERE id = '${other.sessionId}'`,
    ]);
    changes.push(['organizations', `UPDATE organizations SET name = 'x' WHERE id = '${other.orgId}'`]);
    let refused = 0;
    for (const [table, sql] of changes) {
      await asRole(database.urls.app, async (query) => {
        await inOrg(query, mine.orgId);
        try {
          expect(await query(`${sql} RETURNING 1`), sql).toEqual([]);
        } catch (error) {
          expect((error as { code?: string }).code, `${table}: ${sql}`).toBe('42501');
          refused += 1;
        }
      });
    }
    expect(changes.length - refused).toBeGreaterThanOrEqual(10);
  });

  it('puts nothing into another organization, nor moves anything there', async () => {
    const id = 'gen_random_uuid()';
    const org = `'${other.orgId}'`;
    const refused = [
      `INSERT INTO roles (org_id, id, name) VALUES (${org}, ${id}, 'x')`,
      `INSERT INTO memberships (org_id, user_id, role_id) VALUES (${org}, '${mine.userId}', '${other.roleId}')`,
      `INSERT INTO audit_events (org_id, id, leaf, personal) VALUES (${org}, ${id}, '{}', '{}')`,
      `INSERT INTO service_accounts (org_id, id, name, owner_id) VALUES (${org}, ${id}, 'x', '${other.userId}')`,
      `INSERT INTO api_keys (org_id, id, name, owner_id, digest, permissions)
         VALUES (${org}, ${id}, 'x', '${other.userId}', 'x', '{}')`,
      `INSERT INTO invitations (org_id, id, email, role_id, digest, invited_by, expires_at)
         VALUES (${org}, ${id}, 'x@x.example', '${other.roleId}', 'x', ${id}, now())`,
      `UPDATE roles SET org_id = ${org}`,
      `UPDATE memberships SET org_id = ${org}`,
      `UPDATE api_keys SET org_id = ${org}`,
      `UPDATE service_accounts SET org_id = ${org}`,
      `UPDATE invitations SET org_id = ${org}`,
      `UPDATE sessions SET org_id = ${org}`,
      `UPDATE organizations SET id = ${org}`,
    ];
    for (const sql of refused) {
      const state = await asRole(database.urls.app, (query) =>
        stateOf(query, async () => {
          await inOrg(query, mine.orgId);
          await query(sql);
        }),
      );
      // PC003: an audit event says itself of which organization it is.
      expect(state, sql).toMatch(/^(42501|PC003)$/);
    }
  });
});
