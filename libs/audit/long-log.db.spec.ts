import { afterAll, beforeAll, expect, it } from 'vitest';
import { Database } from '#database';
import { newId, SystemClock } from '#kernel';
import { cloneDatabase, run, type TestDatabase } from '../../test/kit/database.ts';
import { auditBy } from '../../test/kit/audit.ts';

const EVENTS = 100;

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own.drop());

it('a commit reads only its own events, also on a connection whose plans are from when the log was empty', async () => {
  // As autovacuum does sooner or later; only then does the planner believe that the log is empty.
  await run(own.adminUrl, 'ANALYZE portcullis.audit_events');
  const database = new Database({ urls: own.urls, poolSize: 1 }, { settled: () => Promise.resolve() });
  await database.connect();
  const audit = auditBy(new SystemClock());
  const orgId = newId();
  for (let i = 0; i < EVENTS; i += 1) {
    await database.acrossOrgs('sign_in', (tx) =>
      audit.record(tx, {
        orgId,
        actor: { type: 'system', id: 'spec' },
        action: 'auth.signed_out',
        target: { type: 'session', id: newId() },
        outcome: 'success',
        request: { id: newId(), method: 'POST', route: '/spec' },
      }),
    );
  }
  // Its connections tell what they read when they end.
  await database.onApplicationShutdown();
  await expect.poll(async () => (await reads()).byTransaction).toBeGreaterThanOrEqual(EVENTS);
  const { walked, alongTheKey } = await reads();
  // The planner may look at the first few pages; a walk at each commit would read EVENTS² / 2 rows.
  expect(walked + alongTheKey).toBeLessThan(4 * EVENTS);
});

async function reads(): Promise<{ walked: number; alongTheKey: number; byTransaction: number }> {
  const [row] = await run(
    own.adminUrl,
    `SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'audit_events')::int AS walked,
            (SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'audit_events_pkey')::int AS along,
            (SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'audit_events_xid')::int AS by_xid`,
  );
  return {
    walked: Number(row?.['walked']),
    alongTheKey: Number(row?.['along']),
    byTransaction: Number(row?.['by_xid']),
  };
}
