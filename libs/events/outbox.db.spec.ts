import { CloudEvent } from 'cloudevents';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '#database';
import { newId, SystemClock } from '#kernel';
import { auditBy } from '../../test/kit/audit.ts';
import { cloneDatabase, type TestDatabase } from '../../test/kit/database.ts';
import { appendRecord, asRole, type Query, stateOf } from '../../test/kit/sql.ts';
import { seedTenant } from '../../test/kit/tenants.ts';
import { eventText } from './event.ts';
import { Events } from './events.ts';

let clone: TestDatabase;
let database: Database;
const clock = new SystemClock();
const events = new Events(clock);
const audit = auditBy(clock);

beforeAll(async () => {
  clone = await cloneDatabase();
  database = new Database({ urls: clone.urls, poolSize: 12 }, { settled: async () => undefined });
  await database.connect();
});
afterAll(async () => {
  await database.onApplicationShutdown();
  await clone.drop();
});

const actor = { type: 'system', id: 'spec' } as const;
const request = { id: 'spec', method: '-', route: '-' };
const record = (orgId: string, action: 'role.created' | 'auth.refreshed' = 'auth.refreshed') => ({
  orgId,
  actor,
  action,
  target: { type: 'role', id: newId(), display: 'Personal Name' },
  outcome: 'success' as const,
  request: { ...request, ip: '192.0.2.1' },
});
const news = (orgId: string, subject = 'role/1') => ({
  orgId,
  type: 'portcullis.role.created' as const,
  subject,
  data: {},
});
const outbox = (orgId: string): Promise<{ pos: string; body: string }[]> =>
  asRole(clone.adminUrl, (query) =>
    query(
      `SELECT p.pos, e.body FROM event_positions p JOIN events e ON e.org_id = p.org_id AND e.id = p.event_id
        WHERE p.org_id = $1 ORDER BY p.pos`,
      [orgId],
    ),
  ) as Promise<{ pos: string; body: string }[]>;

describe('an event', () => {
  it('commits with the record it follows from, and is a CloudEvent', async () => {
    const orgId = newId();
    await database.acrossOrgs('housekeeping', (tx) => audit.record(tx, record(orgId, 'role.created')));
    const [row] = await outbox(orgId);
    const event = JSON.parse(eventText(row!)) as Record<string, unknown>;
    expect(() => new CloudEvent(event, true).validate()).not.toThrow();
    expect(event).toMatchObject({
      source: `/orgs/${orgId}`,
      type: 'portcullis.role.created',
      sequence: '0000000000000001',
      partitionkey: orgId,
      data: { actor, target: { type: 'role' } },
    });
    expect(row!.body).not.toMatch(/Personal|192\.0\.2/);
  });

  it('goes with the transaction that fails', async () => {
    const orgId = newId();
    const failed = database.acrossOrgs('housekeeping', async (tx) => {
      await audit.record(tx, record(orgId, 'role.created'));
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    expect(await outbox(orgId)).toEqual([]);
  });

  it('does not commit without a record of its organization', async () => {
    const [orgId, other] = [newId(), newId()];
    const alone = database.acrossOrgs('housekeeping', async (tx) => {
      await audit.record(tx, record(other));
      await events.publish(tx, news(orgId));
    });
    await expect(alone).rejects.toMatchObject({ code: 'PC001' });
    expect(await outbox(orgId)).toEqual([]);
  });

  it('is never changed, by nobody', async () => {
    await seedTenant(clone.adminUrl);
    for (const url of [clone.urls.app, clone.urls.system, clone.urls.owner, clone.adminUrl]) {
      await asRole(url, async (query) => {
        for (const sql of [
          `UPDATE events SET body = '{}'`,
          'UPDATE event_positions SET pos = pos + 1',
          'UPDATE event_publications SET duplicate = true',
          'TRUNCATE events',
        ]) {
          expect(await stateOf(query, () => query(sql)), sql).toMatch(/^(PC002|42501)$/);
        }
      });
    }
  });
});

describe('positions', () => {
  it('are contiguous and in the order of commits, whatever was written first', async () => {
    const orgId = newId();
    const [early, late] = await Promise.all([connect(), connect()]);
    try {
      await early.query('BEGIN');
      await insert(early.query, orgId, 'first to write');
      await late.query('BEGIN');
      await insert(late.query, orgId, 'first to commit');
      await late.query('COMMIT');
      // A reader is past position 1 by now, while the other transaction is open for as long as it likes.
      expect(await outbox(orgId)).toHaveLength(1);
      await early.query('COMMIT');
    } finally {
      await Promise.all([early.end(), late.end()]);
    }
    const rows = await outbox(orgId);
    expect(rows.map(({ pos, body }) => [pos, (JSON.parse(body) as { subject: string }).subject])).toEqual([
      ['1', 'first to commit'],
      ['2', 'first to write'],
    ]);
  });

  it('have no gap and no double under many writers, and a reader by position misses nothing', async () => {
    const orgIds = [newId(), newId(), newId()];
    const seen = new Map(orgIds.map((orgId) => [orgId, [] as number[]]));
    let writing = true;
    const reader = (async () => {
      for (let last = false; !last;) {
        last = !writing;
        for (const orgId of orgIds) {
          const known = seen.get(orgId)!;
          const rows = (await outbox(orgId)).map(({ pos }) => Number(pos));
          known.push(...rows.filter((pos) => pos > (known.at(-1) ?? 0)));
        }
      }
    })();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ orgs: fc.subarray(orgIds, { minLength: 1 }), fails: fc.boolean() }), {
          minLength: 4,
          maxLength: 8,
        }),
        async (work) => {
          await Promise.all(
            work.map(({ orgs, fails }) =>
              database
                .acrossOrgs('housekeeping', async (tx) => {
                  for (const orgId of orgs) {
                    await audit.record(tx, record(orgId));
                    await events.publish(tx, news(orgId), news(orgId));
                  }
                  if (fails) throw new Error('planned');
                })
                .catch((error: Error) => expect(error.message).toBe('planned')),
            ),
          );
        },
      ),
      { numRuns: 15 },
    );
    writing = false;
    await reader;
    for (const orgId of orgIds) {
      const all = (await outbox(orgId)).map(({ pos }) => Number(pos));
      expect(all.length).toBeGreaterThan(10);
      expect(all).toEqual(all.map((_, index) => index + 1));
      expect(seen.get(orgId)).toEqual(all);
    }
  });
});

async function connect(): Promise<{ query: Query; end: () => Promise<void> }> {
  let end = (): void => undefined;
  const query = await new Promise<Query>((resolve, reject) => {
    const held = new Promise<void>((done) => (end = done));
    asRole(clone.urls.system, async (given) => {
      resolve(given);
      await held;
    }).catch(reject);
  });
  return { query, end: async () => end() };
}

async function insert(query: Query, orgId: string, subject: string): Promise<void> {
  await appendRecord(query, orgId);
  const id = newId();
  await query('INSERT INTO events (org_id, id, type, body) VALUES ($1, $2, $3, $4)', [
    orgId,
    id,
    'portcullis.role.created',
    JSON.stringify({ id, subject }),
  ]);
}
