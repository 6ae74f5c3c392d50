import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '#kernel';
import { cloneDatabase, type TestDatabase } from '../../test/kit/database.ts';
import { editsOf } from '../../test/kit/state-edits.ts';
import { appendRecord, asRole, type Query, stateOf } from '../../test/kit/sql.ts';
import { seedTenant, type SeededTenant } from '../../test/kit/tenants.ts';

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

const edits = editsOf(() => ({ mine, other }));

/** Tables whose rows no one organization has: the record of any will do. */
const anyRecord = /^(users|passwords|password resets|signing keys|audit keys|the order to be read-only),/;
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
