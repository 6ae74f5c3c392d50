import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { setUp, signIn } from '../kit/tenancy.ts';

/** The database is set back to an older copy; what was published of its logs lies elsewhere and is not. */
describe('a data directory that was restored', () => {
  let anchor = '';
  let first: Product;
  let product: Product | undefined;
  let owner: Awaited<ReturnType<typeof setUp>>;
  const env = (): Record<string, string> => ({
    PORTCULLIS_AUDIT_CHECKPOINT_SECONDS: '1',
    PORTCULLIS_AUDIT_ANCHOR_DIR: anchor,
  });

  beforeAll(async () => {
    anchor = mkdtempSync(join(inject('runDirectory'), 'anchor-'));
    first = await startProduct({ env: env() });
    owner = await setUp(first);
  });
  afterAll(() => disposeAll([first, product]));

  const note = (orgId: string): string => readFileSync(join(anchor, `${orgId}.checkpoint`), 'utf8');
  const published = (orgId: string): number => {
    try {
      return Number(note(orgId).split('\n')[1]);
    } catch {
      return 0;
    }
  };

  it('is not ready until an operator acknowledges what it has lost', async () => {
    const copy = `${first.dataDir}.copy`;
    const { organization } = await signIn(first, owner);
    const orgId = organization.id;
    // The key that signs is in the copy too.
    await expect.poll(() => published(orgId)).toBeGreaterThan(0);
    await first.stop();
    copyAll(first.dataDir, copy);

    // More happens, and is published.
    product = await startProduct({ dataDir: first.dataDir, env: env() });
    expectAnswer(await product.api.get('/health/ready'), 200);
    const before = published(orgId);
    for (let n = 0; n < 5; n += 1) await signIn(product, owner);
    await expect.poll(() => published(orgId)).toBeGreaterThan(before + 4);
    await product.stop();

    rmSync(first.dataDir, { recursive: true });
    copyAll(copy, first.dataDir);
    rmSync(copy, { recursive: true });
    const lost = note(orgId);
    product = await startProduct({ dataDir: first.dataDir, env: env(), unready: true });
    // It may first say that it still compares.
    const components = async () => {
      const answer = await product?.api.get('/health/ready');
      return expectAnswer(answer!, 503, 'system.not_ready').data.components as object[];
    };
    await expect.poll(components).toContainEqual({ name: 'audit', state: 'down', reason: 'fork' });

    const back = await signIn(product, owner);
    const exported = await product.api.get(`/orgs/${orgId}/audit/export`, { token: back.accessToken });
    expectAnswer(exported, 503, 'audit.fork_detected');

    const operator = await signIn(product, owner, 'platform');
    const as = { token: operator.accessToken };
    const forks = expectAnswer(await product.api.get('/platform/audit-forks', as), 200).items;
    expect(forks.map((fork: { organizationId: string }) => fork.organizationId)).toContain(orgId);
    for (const { organizationId } of forks) {
      const path = `/platform/audit-forks/${organizationId}/acknowledge`;
      expectAnswer(await product.api.post(path, { reason: 'a test of the backup' }, as), 200);
    }
    expectAnswer(await product.api.get('/health/ready'), 200);
    expectAnswer(await product.api.get(`/orgs/${orgId}/audit/export`, { token: back.accessToken }), 200);
    // It is published again from here, as another log than it was.
    await expect.poll(() => note(orgId)).not.toBe(lost);
  });
});

/** With owners and rights: PostgreSQL looks at both. */
function copyAll(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to]);
}
