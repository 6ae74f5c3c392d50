import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { expectAnswer } from '../kit/client.ts';
import { addKey, setUp, signIn } from '../kit/tenancy.ts';

/** The master key rotates while three processes, started one after the other with the new key, serve. */
describe('a rotation of the master key', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-keys-'));
  const products: Product[] = [];
  const [oldFile, newFile] = [join(folder, 'old.key'), join(folder, 'new.key')];
  const both = { PORTCULLIS_MASTER_KEY_FILE: newFile, PORTCULLIS_PREVIOUS_MASTER_KEY_FILE: oldFile };

  beforeAll(async () => {
    for (const file of [oldFile, newFile])
      writeFileSync(file, randomBytes(32).toString('base64url'), { mode: 0o600 });
    products.push(await startProduct({ env: { PORTCULLIS_MASTER_KEY_FILE: oldFile } }));
  });
  afterAll(async () => {
    await disposeAll(products);
    rmSync(folder, { recursive: true, force: true });
  });

  it('is heard by every replica, and nothing that the old key protected is lost', async () => {
    const first = products[0]!;
    const owner = await setUp(first);
    const admin = await signIn(first, owner, 'acme');
    const { key } = await addKey(first, admin, ['org:read']);
    const org = `/orgs/${admin.organization.id}`;
    const as = { token: admin.accessToken };
    const body = { path: 'ledger/db', fields: { password: 'one' } };
    const secret = expectAnswer<{ id: string }>(await first.api.post(`${org}/secrets`, body, as), 201);
    const reveal = async (product: Product): Promise<string> => {
      const { accessToken: token } = await signIn(product, owner, 'acme');
      const answer = await product.api.post(`${org}/secrets/${secret.id}/reveal`, {}, { token });
      return expectAnswer<{ fields: { password: string } }>(answer, 200).fields.password;
    };

    // Each replica comes up with both keys, and what it wraps opens for the one that has only the old key.
    const second = await startProduct({ replicaOf: first, env: both });
    const third = await startProduct({ replicaOf: first, env: both });
    products.push(second, third);
    for (const product of products) expectAnswer(await product.api.get(org, { token: key }), 200);
    const write = { fields: { password: 'two' } };
    expectAnswer(await second.api.post(`${org}/secrets/${secret.id}/versions`, write, as), 201);
    expect(await reveal(first)).toBe('two');

    const operator = await signIn(second, owner, 'platform');
    const rewrap = async (product: Product) =>
      expectAnswer<{ changed: boolean; orgKeys: number }>(
        await product.api.post('/platform/master-key/rewrap', undefined, { token: operator.accessToken }),
        200,
      );
    expect(await rewrap(second)).toMatchObject({ changed: true, orgKeys: 1 });
    expect((await rewrap(third)).changed).toBe(false);

    const fourth = await startProduct({
      replicaOf: first,
      env: { PORTCULLIS_MASTER_KEY_FILE: newFile },
    });
    products.push(fourth);
    for (const product of [second, third, fourth]) {
      expect(await reveal(product)).toBe('two');
      expectAnswer(await product.api.get(org, { token: key }), 200);
      const made = await addKey(product, admin, ['org:read']);
      expectAnswer(await fourth.api.get(org, { token: made.key }), 200);
    }
  });
});
