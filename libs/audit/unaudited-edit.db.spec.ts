import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '#kernel';
import { cloneDatabase, type TestDatabase } from '../../test/kit/database.ts';
import {
  appendRecord,
  asRole,
  type Query,
  seedTenant,
  type SeededTenant,
  stateOf,
} from '../../test/kit/tenants.ts';

/** What a change without its record is refused with. */
const UNAUDITED = 'PC001';
const NO_PRIVILEGE = '42501';
const APPEND_ONLY = 'PC002';

let database: TestDatabase;
let mine: SeededTenant;
let other: SeededTenant;

const seed = async (): Promise<void> => {
  mine = await seedTenant(database.adminUrl);
  other = await seedTenant(database.adminUrl);
};

beforeAll(async () => {
  database = await cloneDatabase();
  await seed();
});
afterAll(() => database.drop());

type Edit = readonly [role: 'app' | 'system', sql: string, values: () => unknown[]];

const session = `INSERT INTO sessions (org_id, id, user_id, expires_at, idle_seconds, auth_methods, assurance)
  VALUES ($1, $2, $3, now() + interval '1 hour', 60, '{}', 'aal1')`;
const token = `INSERT INTO refresh_tokens (org_id, id, session_id, digest, expires_at)
  VALUES ($1, $2, $3, gen_random_uuid()::text, now() + interval '1 hour')`;
const person = `INSERT INTO users (id, email, name) VALUES ($1, $2, 'new')`;

/** A change of each kind, of each state table, by each role that may make it at all. */
const edits: Record<string, Edit> = {
  'organizations, renamed': ['app', `UPDATE organizations SET name = 'x' WHERE id = $1`, () => [mine.orgId]],
  'organizations, deleted': ['app', 'DELETE FROM organizations WHERE id = $1', () => [mine.orgId]],
  'organizations, suspended': [
    'system',
    `UPDATE organizations SET status = 'suspended' WHERE id = $1`,
    () => [mine.orgId],
  ],
  'users, inserted': ['system', person, () => [newId(), `${newId()}@x.example`]],
  'users, disabled': ['system', `UPDATE users SET status = 'disabled' WHERE id = $1`, () => [mine.userId]],
  'users, deleted': ['system', 'DELETE FROM users WHERE id = $1', () => [mine.userId]],
  'passwords, set': ['system', `UPDATE passwords SET hash = 'x' WHERE user_id = $1`, () => [mine.userId]],
  'passwords, deleted': ['system', 'DELETE FROM passwords WHERE user_id = $1', () => [mine.userId]],
  'password resets, inserted': [
    'system',
    `INSERT INTO password_resets (id, digest, user_id, expires_at) VALUES ($1::uuid, $1::text, $2, now())`,
    () => [newId(), mine.userId],
  ],
  'password resets, used': [
    'system',
    'UPDATE password_resets SET used_at = now() WHERE user_id = $1',
    () => [mine.userId],
  ],
  'password resets, deleted': [
    'system',
    'DELETE FROM password_resets WHERE user_id = $1',
    () => [mine.userId],
  ],
  'roles, inserted': [
    'app',
    `INSERT INTO roles (org_id, id, name) VALUES ($1, $2, 'new')`,
    () => [mine.orgId, newId()],
  ],
  'roles, widened': ['app', `UPDATE roles SET permissions = '{org:read}' WHERE id = $1`, () => [mine.roleId]],
  'roles, deleted': [
    'system',
    `WITH gone AS (DELETE FROM memberships WHERE role_id = $1) DELETE FROM roles WHERE id = $1`,
    () => [mine.roleId],
  ],
  'memberships, inserted': [
    'app',
    'INSERT INTO memberships (org_id, user_id, role_id) VALUES ($1, $2, $3)',
    () => [mine.orgId, other.userId, mine.roleId],
  ],
  'memberships, disabled': [
    'app',
    `UPDATE memberships SET status = 'disabled' WHERE user_id = $1`,
    () => [mine.userId],
  ],
  'memberships, deleted': ['app', 'DELETE FROM memberships WHERE user_id = $1', () => [mine.userId]],
  'sessions, inserted': ['system', session, () => [mine.orgId, newId(), mine.userId]],
  'sessions, revoked': [
    'app',
    `UPDATE sessions SET revoked_at = now(), revoked_reason = 'x' WHERE id = $1`,
    () => [mine.sessionId],
  ],
  'sessions, deleted': ['system', 'DELETE FROM sessions WHERE id = $1', () => [mine.sessionId]],
  'refresh tokens, inserted': ['system', token, () => [mine.orgId, newId(), mine.sessionId]],
  'refresh tokens, used in bulk': [
    'system',
    'UPDATE refresh_tokens SET used_at = now() WHERE session_id = $1',
    () => [mine.sessionId],
  ],
  'refresh tokens, deleted in bulk': [
    'system',
    'DELETE FROM refresh_tokens WHERE session_id = $1',
    () => [mine.sessionId],
  ],
  'invitations, inserted': [
    'app',
    `INSERT INTO invitations (org_id, id, email, role_id, digest, invited_by, expires_at)
     VALUES ($1, $2, 'new@x.example', $3, gen_random_uuid()::text, gen_random_uuid(), now())`,
    () => [mine.orgId, newId(), mine.roleId],
  ],
  'invitations, accepted': [
    'system',
    'UPDATE invitations SET accepted_at = now() WHERE id = $1',
    () => [mine.invitationId],
  ],
  'invitations, deleted': ['app', 'DELETE FROM invitations WHERE id = $1', () => [mine.invitationId]],
  'service accounts, inserted': [
    'app',
    `INSERT INTO service_accounts (org_id, id, name, owner_id) VALUES ($1, $2, 'new', $3)`,
    () => [mine.orgId, newId(), mine.userId],
  ],
  'service accounts, changed': [
    'app',
    `UPDATE service_accounts SET description = 'x' WHERE id = $1`,
    () => [mine.serviceAccountId],
  ],
  'service accounts, deleted': [
    'app',
    'DELETE FROM service_accounts WHERE id = $1',
    () => [mine.serviceAccountId],
  ],
  'API keys, inserted': [
    'app',
    `INSERT INTO api_keys (org_id, id, name, owner_id, digest, permissions) VALUES ($1, $2, 'new', $3, 'x', '{}')`,
    () => [mine.orgId, newId(), mine.userId],
  ],
  'API keys, widened': [
    'app',
    `UPDATE api_keys SET permissions = '{org:read}' WHERE id = $1`,
    () => [mine.apiKeyId],
  ],
  'API keys, deleted': ['app', 'DELETE FROM api_keys WHERE id = $1', () => [mine.apiKeyId]],
  'signing keys, inserted': [
    'system',
    `INSERT INTO signing_keys (kid, public_jwk, wrapped_private) VALUES ($1, '{}', '')`,
    () => [newId()],
  ],
  'audit keys, inserted': [
    'system',
    `INSERT INTO audit_keys (name, id, public_key) VALUES ($1, '00000000', decode(repeat('00', 32), 'hex'))`,
    () => [newId()],
  ],
  'audit findings, inserted': [
    'system',
    `INSERT INTO audit_findings (org_id, id, kind, pos, detail) VALUES ($1, $2, 'fork', 1, '{}')`,
    () => [mine.orgId, newId()],
  ],
};

/** Tables whose rows no one organization has: the record of any will do. */
const anyRecord = /^(users|passwords|password resets|signing keys|audit keys),/;
const begin = async (query: Query, sql = 'BEGIN'): Promise<void> => {
  await query(sql);
  await query(`SELECT set_config('app.org_id', $1, true)`, [mine.orgId]);
};
const as = <T>(role: 'app' | 'system', work: (query: Query) => Promise<T>): Promise<T> =>
  asRole(database.urls[role], work);

describe.each(Object.entries(edits))('an edit of %s', (name, [role, sql, values]) => {
  // Only the last test changes anything.
  beforeAll(seed);

  const attempt = (steps: (query: Query, edit: () => Promise<void>) => Promise<unknown>): Promise<string> =>
    as(role, (query) =>
      stateOf(query, async () => {
        await begin(query);
        await steps(query, async () => {
          // A refusal of what changes nothing would prove nothing.
          if ((await query(`${sql} RETURNING 1`, values())).length === 0) throw new Error('nothing changed');
        });
        await query('COMMIT');
      }),
    );

  test('is refused without a record', async () => {
    expect(await attempt((_query, edit) => edit())).toBe(UNAUDITED);
  });

  test('is refused with a record that is not of its organization', async () => {
    const state = await attempt(async (query, edit) => {
      // Where no one organization has the row, the record of any will do: then there is none at all.
      if (!anyRecord.test(name)) await appendRecord(query, other.orgId);
      await edit();
    });
    // The app cannot even write such a record.
    expect(state).toBe(role === 'app' ? NO_PRIVILEGE : UNAUDITED);
  });

  test('is refused where the record was rolled back', async () => {
    expect(
      await attempt(async (query, edit) => {
        await query('SAVEPOINT before');
        await appendRecord(query, mine.orgId);
        await query('ROLLBACK TO before');
        await edit();
      }),
    ).toBe(UNAUDITED);
  });

  test('is refused where it is done again after it and its record were rolled back', async () => {
    expect(
      await attempt(async (query, edit) => {
        await query('SAVEPOINT before');
        await appendRecord(query, mine.orgId);
        await edit();
        await query('SET CONSTRAINTS ALL IMMEDIATE');
        await query('ROLLBACK TO before');
        await edit();
      }),
    ).toBe(UNAUDITED);
  });

  test('is refused at once where the check is not deferred', async () => {
    expect(
      await attempt(async (query, edit) => {
        await query('SET CONSTRAINTS ALL IMMEDIATE');
        await edit();
        throw new Error('the edit went through');
      }),
    ).toBe(UNAUDITED);
  });

  test('commits with its record', async () => {
    expect(
      await attempt(async (query, edit) => {
        await appendRecord(query, mine.orgId);
        await edit();
      }),
    ).toBe('ok');
  });
});

describe('a transaction', () => {
  beforeAll(seed);
  const widen = (query: Query) =>
    query(`UPDATE roles SET permissions = '{org:read}' WHERE id = $1`, [mine.roleId]);

  test('does not keep a check that has passed when the record it saw is rolled back', async () => {
    const state = await as('app', (query) =>
      stateOf(query, async () => {
        await begin(query);
        await widen(query);
        await query('SAVEPOINT record');
        await appendRecord(query, mine.orgId);
        await query('SET CONSTRAINTS ALL IMMEDIATE');
        await query('ROLLBACK TO record');
        await query('COMMIT');
      }),
    );
    expect(state).toBe(UNAUDITED);
  });

  test('cannot lean on the record of an earlier one', async () => {
    const state = await as('app', (query) =>
      stateOf(query, async () => {
        await begin(query);
        await appendRecord(query, mine.orgId);
        await query('COMMIT');
        await begin(query);
        await widen(query);
        await query('COMMIT');
      }),
    );
    expect(state).toBe(UNAUDITED);
  });

  test.each([
    `UPDATE invitations SET org_id = $1, role_id = $2 WHERE id = $3`,
    `UPDATE refresh_tokens SET org_id = $1 WHERE session_id = $4 AND $2::uuid <> $3::uuid`,
  ])('that moves a row needs more than one organization’s record: %s', async (sql) => {
    for (const recorded of [mine.orgId, other.orgId]) {
      const state = await as('system', (query) =>
        stateOf(query, async () => {
          await query('BEGIN');
          await appendRecord(query, recorded);
          const values = [other.orgId, other.roleId, mine.invitationId, mine.sessionId];
          await query(sql, sql.includes('$4') ? values : values.slice(0, 3));
          await query('COMMIT');
        }),
      );
      expect(state).toBe(UNAUDITED);
    }
  });

  test('that is prepared instead of committed is refused like a commit', async () => {
    for (const role of ['app', 'system'] as const) {
      const state = await as(role, (query) =>
        stateOf(query, async () => {
          await begin(query);
          await widen(query);
          await query(`PREPARE TRANSACTION 'unaudited'`);
        }),
      );
      // 55000: this server takes no prepared transactions at all.
      expect([UNAUDITED, '55000']).toContain(state);
    }
    expect(await asRole(database.adminUrl, (query) => query('SELECT gid FROM pg_prepared_xacts'))).toEqual(
      [],
    );
  });
});

describe('the log itself', () => {
  const tampering: Record<string, string> = {
    'update of an event': `UPDATE audit_events SET leaf = '{}'`,
    'update of personal values': `UPDATE audit_events SET personal = '{}'`,
    'delete of an event': 'DELETE FROM audit_events',
    'truncation of events': 'TRUNCATE audit_events',
    'update of a position': 'UPDATE audit_positions SET pos = pos + 1000',
    'delete of a position': 'DELETE FROM audit_positions',
    'truncation of positions': 'TRUNCATE audit_positions',
    'truncation of both': 'TRUNCATE audit_events, audit_positions',
    'update of a tile': 'UPDATE audit_tiles SET root = root',
    'delete of a tile': 'DELETE FROM audit_tiles',
    'truncation of tiles': 'TRUNCATE audit_tiles',
    'update of a checkpoint': 'UPDATE audit_checkpoints SET size = 0',
    'delete of a checkpoint': 'DELETE FROM audit_checkpoints',
    'truncation of checkpoints': 'TRUNCATE audit_checkpoints',
    'update of a finding': `UPDATE audit_findings SET kind = 'fork'`,
    'delete of a finding': 'DELETE FROM audit_findings',
    'delete of a key': 'DELETE FROM audit_keys',
  };

  test.each(Object.entries(tampering))('refuses %s to everybody', async (_name, sql) => {
    for (const role of ['app', 'system'] as const) {
      const state = await as(role, (query) => stateOf(query, () => begin(query).then(() => query(sql))));
      expect(state, role).toBe(NO_PRIVILEGE);
    }
    for (const url of [database.urls.owner, database.adminUrl]) {
      expect(await asRole(url, (query) => stateOf(query, () => query(sql)))).toBe(APPEND_ONLY);
    }
  });

  test.each(['xid', 'tx_time', 'leaf_hash', 'time', 'action', 'actor_id', 'target_id', 'outcome'])(
    'lets nobody choose %s',
    async (column) => {
      for (const role of ['app', 'system'] as const) {
        const sql = `INSERT INTO audit_events (org_id, id, leaf, personal, ${column}) SELECT org_id, gen_random_uuid(), leaf, '{}', ${column} FROM audit_events`;
        const state = await as(role, (query) => stateOf(query, () => begin(query).then(() => query(sql))));
        expect(state, role).toBe(NO_PRIVILEGE);
      }
    },
  );

  test('lets nobody choose a position', async () => {
    const sql = `INSERT INTO audit_positions (org_id, pos, event_id, leaf_hash, prev_hash) VALUES ($1, 1000, $2, '', '')`;
    for (const role of ['app', 'system'] as const) {
      const state = await as(role, (query) =>
        stateOf(query, () => begin(query).then(() => query(sql, [mine.orgId, newId()]))),
      );
      expect(state, role).toBe(NO_PRIVILEGE);
    }
  });

  test('lets nobody hang its functions on a table of their own', async () => {
    for (const [role, url] of Object.entries(database.urls).filter(([name]) => name !== 'owner')) {
      const state = await asRole(url, (query) =>
        stateOf(query, async () => {
          await query('BEGIN');
          await query('CREATE TEMP TABLE forged (org_id uuid, id uuid, leaf_hash bytea)');
          await query(
            'CREATE TRIGGER forge AFTER INSERT ON forged FOR EACH ROW EXECUTE FUNCTION audit_position()',
          );
          await query(`INSERT INTO forged VALUES ($1, gen_random_uuid(), '\\x00')`, [other.orgId]);
          await query('COMMIT');
        }),
      );
      expect(state, role).toBe(NO_PRIVILEGE);
    }
  });

  test('refuses an event that says it is of another organization', async () => {
    const state = await as('system', (query) =>
      stateOf(query, async () => {
        await query('BEGIN');
        const leaf = JSON.stringify({ id: newId(), org: other.orgId });
        const sql = `INSERT INTO audit_events (org_id, id, leaf, personal) VALUES ($1, $2, $3, '{}')`;
        await query(sql, [mine.orgId, newId(), leaf]);
      }),
    );
    expect(state).toBe('PC003');
  });

  test('opens only to the superuser who switches triggers off, which no role of the product may', async () => {
    for (const url of Object.values(database.urls)) {
      const state = await asRole(url, (query) =>
        stateOf(query, () => query('SET session_replication_role = replica')),
      );
      expect(state).toBe(NO_PRIVILEGE);
    }
    const state = await asRole(database.adminUrl, (query) =>
      stateOf(query, async () => {
        await query('BEGIN');
        await query('SET LOCAL session_replication_role = replica');
        await query(`UPDATE audit_events SET personal = '{}'`);
      }),
    );
    expect(state).toBe('ok');
  });
});
