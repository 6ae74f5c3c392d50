import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { run } from '../kit/database.ts';
import { fillLog } from '../kit/long-log.ts';
import { rootOf } from '../kit/merkle.ts';
import { addKey, setUp, signIn } from '../kit/tenancy.ts';

const WIDTH = 256;
const EVENTS = 40_000;

/** Three processes sign and tile one log at an interval; one dies at it, one is asked by somebody meanwhile. */
describe('the tree of a log that grows by thousands', () => {
  let anchor = '';
  let product: Product;
  const workers: Product[] = [];
  let orgId = '';
  let key = '';
  let adminUrl = '';

  beforeAll(async () => {
    anchor = mkdtempSync(join(inject('runDirectory'), 'anchor-'));
    const env = { PORTCULLIS_AUDIT_CHECKPOINT_SECONDS: '1', PORTCULLIS_AUDIT_ANCHOR_DIR: anchor };
    product = await startProduct({ env });
    const owner = await setUp(product);
    const admin = await signIn(product, owner);
    orgId = admin.organization.id;
    ({ key } = await addKey(product, admin, ['audit:export']));
    adminUrl = await product.databaseUrl();
    for (let n = 0; n < 2; n += 1) {
      workers.push(await startProduct({ replicaOf: product, role: 'worker', env }));
    }
  });
  afterAll(() => disposeAll([product, ...workers]));

  const count = async (sql: string): Promise<number> =>
    Number((await run(adminUrl, sql, [orgId]))[0]?.['count']);
  const tiles = () => count('SELECT count(*) FROM portcullis.audit_tiles WHERE org_id = $1 AND level = 0');
  const anchored = (): { size: number; root: string } => {
    const [, size, root = ''] = readFileSync(join(anchor, `${orgId}.checkpoint`), 'utf8').split('\n');
    return { size: Number(size), root };
  };

  it('is made once and is signed as it is, though one of its makers is killed at it', async () => {
    await fillLog(adminUrl, orgId, EVENTS);
    await expect.poll(tiles, { interval: 5 }).toBeGreaterThan(0);
    await workers[0]?.kill9();
    const asked = await product.api.get(`/orgs/${orgId}/audit/checkpoint`, { token: key });
    expectAnswer(asked, 200);
    await expect.poll(() => anchored().size).toBeGreaterThan(EVENTS);

    const { size, root } = anchored();
    const rows = await run(
      adminUrl,
      'SELECT leaf_hash FROM portcullis.audit_positions WHERE org_id = $1 AND pos <= $2 ORDER BY pos',
      [orgId, size],
    );
    const leaves = rows.map((row) => row['leaf_hash'] as Buffer);
    expect(rootOf(leaves).toString('base64')).toBe(root);
    expect(await tiles()).toBe(Math.floor(size / WIDTH));
    const none = 'SELECT count(*) FROM portcullis.audit_findings WHERE org_id = $1';
    expect(await count(none)).toBe(0);
  });

  it('is not made again by a start: the first export is answered from the tiles', async () => {
    const before = await tiles();
    // A connection tells what it read only now and then, and at the latest when it ends: so what was read until now,
    // when the tiles were made, is in the count.
    await run(
      adminUrl,
      `SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    const again = await startProduct({ replicaOf: product });
    workers.push(again);
    const [reads] = await run(
      adminUrl,
      `SELECT idx_tup_read AS read FROM pg_stat_user_indexes WHERE indexrelname = 'audit_positions_pkey'`,
    );
    const answer = await again.api.get(`/orgs/${orgId}/audit/export?after=10&limit=5`, { token: key });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-audit-root')).toMatch(/^[0-9a-f]{64}$/);
    await again.stop();
    // Its connections tell what they read when they end; what the workers read meanwhile is in it too.
    const [now] = await run(
      adminUrl,
      `SELECT idx_tup_read AS read FROM pg_stat_user_indexes WHERE indexrelname = 'audit_positions_pkey'`,
    );
    expect(Number(now?.['read']) - Number(reads?.['read'])).toBeLessThan(EVENTS / 2);
    expect(await tiles()).toBe(before);
  });
});
