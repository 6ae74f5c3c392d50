import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Harness, OWNER, type Person } from '../../test/kit/harness.ts';
import { Housekeeping } from './housekeeping.ts';

let harness: Harness;
let person: Person;
const sweep = () => harness.app.get(Housekeeping, { strict: false }).sweep();
const count = async (what: string): Promise<number> =>
  Number((await harness.sql(`SELECT count(*) FROM portcullis.${what}`))[0]?.['count']);

beforeAll(async () => {
  harness = await Harness.start();
  person = await harness.person(harness.tenant, 'viewer');
});
afterAll(() => harness.stop());

describe('housekeeping', () => {
  it('removes sessions that ended long ago, with a record, and no other', async () => {
    const old = await harness.person(harness.tenant, 'viewer');
    await harness.change(harness.tenant, (tx) =>
      tx.query(`UPDATE sessions SET expires_at = now() - interval '31 days' WHERE id = $1`, [old.sessionId]),
    );
    await sweep();
    expect(await count(`sessions WHERE id = '${old.sessionId}'`)).toBe(0);
    expect(await count(`sessions WHERE id = '${person.sessionId}'`)).toBe(1);
    const records = await harness.sql(
      `SELECT org_id, actor_id FROM portcullis.audit_events WHERE action = 'session.purged'`,
    );
    expect(records).toEqual([{ org_id: harness.tenant.id, actor_id: 'housekeeping' }]);
  });

  it('removes attempts whose window has ended, and devices that were not seen for long, and no others', async () => {
    await harness.sql(
      `INSERT INTO portcullis.attempt_counters (pool, attempts, window_ends)
       VALUES ('old', 1, now() - interval '1 second'), ('open', 1, now() + interval '1 hour')`,
    );
    await harness.change(harness.tenant, (tx) =>
      tx.query(
        `INSERT INTO devices (id, user_id, digest, likeness, expires_at)
         SELECT gen_random_uuid(), $1, likeness, likeness, now() + ends::interval
           FROM (VALUES ('old', '-1 second'), ('open', '1 hour')) AS v(likeness, ends)`,
        [person.userId],
      ),
    );
    await sweep();
    expect(await harness.sql('SELECT pool FROM portcullis.attempt_counters')).toEqual([{ pool: 'open' }]);
    expect(await harness.sql('SELECT likeness FROM portcullis.devices')).toEqual([{ likeness: 'open' }]);
    expect(await count(`audit_events WHERE action = 'auth.device_forgotten'`)).toBe(1);
  });

  it('erases the successors of refresh tokens whose grace is over, and no other', async () => {
    const { email } = OWNER;
    for (const ago of ['1 second', '-5 seconds']) {
      const signedIn = await harness.call('POST', '/api/v1/auth/login', {
        body: { email, password: OWNER.password },
      });
      const { refreshToken } = signedIn.body;
      expect((await harness.call('POST', '/api/v1/auth/refresh', { body: { refreshToken } })).status).toBe(
        200,
      );
      await harness.sql(
        `UPDATE portcullis.refresh_successors SET erase_at = now() - $1::interval WHERE erase_at > now() + interval '6 seconds'`,
        [ago],
      );
    }
    expect(await count('refresh_successors')).toBe(2);
    await sweep();
    expect(await count('refresh_successors')).toBe(1);
    expect(await count('refresh_successors WHERE erase_at > now()')).toBe(1);
  });

  it('keeps the newest invalidation, for positions go on after it', async () => {
    await harness.revokeSession(await harness.person(harness.tenant, 'viewer'));
    await harness.sql(`UPDATE portcullis.invalidations SET created_at = now() - interval '2 hours'`);
    const [newest] = await harness.sql('SELECT max(pos) AS pos FROM portcullis.invalidations');
    await sweep();
    expect(await harness.sql('SELECT pos FROM portcullis.invalidations')).toEqual([newest]);
  });

  it('lets one process at a time do it', async () => {
    await expect(Promise.all([sweep(), sweep(), sweep()])).resolves.toHaveLength(3);
  });
});
