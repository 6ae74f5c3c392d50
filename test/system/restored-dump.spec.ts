import { chmodSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { SystemPostgres, systemPostgresMissing } from '../kit/system-postgres.ts';
import { setUp, signIn } from '../kit/tenancy.ts';

if (systemPostgresMissing !== undefined) console.warn(`skipped: ${systemPostgresMissing}`);

/** An operator's own PostgreSQL, and the programs that come with it: pg_dump, and pg_restore of an older dump. */
describe.skipIf(systemPostgresMissing !== undefined)('a database that was restored', () => {
  let server: SystemPostgres;
  let first: Product;
  let second: Product | undefined;
  let directory = '';
  let env: Record<string, string>;
  const database = 'portcullis';

  beforeAll(async () => {
    directory = mkdtempSync(join(inject('runDirectory'), 'dump-'));
    chmodSync(directory, 0o711);
    env = {
      PORTCULLIS_AUDIT_CHECKPOINT_SECONDS: '1',
      PORTCULLIS_AUDIT_ANCHOR_DIR: join(directory, 'anchor'),
    };
    server = await SystemPostgres.start(directory);
    server.create(database);
    first = await startProduct({ databaseUrl: server.urlOf(database), env });
  });
  afterAll(async () => {
    await disposeAll([first, second]);
    server?.stop();
  });

  const published = (orgId: string): number => {
    try {
      return Number(readFileSync(join(directory, 'anchor', `${orgId}.checkpoint`), 'utf8').split('\n')[1]);
    } catch {
      return 0;
    }
  };

  it('from an older dump is not ready until an operator acknowledges what it has lost', async () => {
    const owner = await setUp(first);
    const orgId = (await signIn(first, owner)).organization.id;
    await expect.poll(() => published(orgId)).toBeGreaterThan(0);
    const dump = join(directory, 'dump');
    server.dump(database, dump);

    const before = published(orgId);
    for (let n = 0; n < 5; n += 1) await signIn(first, owner);
    await expect.poll(() => published(orgId)).toBeGreaterThan(before + 4);
    await first.stop();

    server.drop(database);
    server.create(database);
    server.restore(database, dump);
    second = await startProduct({
      dataDir: first.dataDir,
      databaseUrl: server.urlOf(database),
      env,
      unready: true,
    });
    const product = second;
    const components = async () =>
      expectAnswer(await product.api.get('/health/ready'), 503, 'system.not_ready').data
        .components as object[];
    await expect.poll(components).toContainEqual({ name: 'audit', state: 'down', reason: 'fork' });
    const as = { token: (await signIn(product, owner)).accessToken };
    const path = `/orgs/${orgId}/audit/export`;
    expectAnswer(await product.api.get(path, as), 503, 'audit.fork_detected');

    const operator = { token: (await signIn(product, owner, 'platform')).accessToken };
    const { items } = expectAnswer(await product.api.get('/platform/audit-forks', operator), 200);
    for (const { organizationId } of items as { organizationId: string }[]) {
      const acknowledge = `/platform/audit-forks/${organizationId}/acknowledge`;
      expectAnswer(await product.api.post(acknowledge, { reason: 'the disk failed' }, operator), 200);
    }
    expectAnswer(await product.api.get('/health/ready'), 200);
    expectAnswer(await product.api.get(path, as), 200);
  });
});
