import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { ApiKeySecrets } from './api-key-secrets.ts';
import { KeyRehash } from './key-rehash.ts';
import { DERIVED_PEPPER } from './pepper.store.ts';
import { PepperRotation } from './pepper-rotation.ts';

let product: AppInProcess;
let admin: SignedIn;
let operator: SignedIn;

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  operator = await product.signIn(owner, 'platform');
});
afterAll(() => product.close());

interface Pepper {
  id: string;
  current: boolean;
  liveKeys: number;
  retiredAt: string | null;
}

const as = (who: SignedIn): Ask => ({ token: who.accessToken });
const me = (key: string): Promise<Answered> => product.get('/auth/me', { token: key });
const peppers = async (): Promise<Pepper[]> =>
  expectStatus(await product.get('/platform/key-peppers', as(operator)), 200).items;
const rotate = async (): Promise<Pepper> =>
  expectStatus(await product.post('/platform/key-peppers/rotate', undefined, as(operator)), 200).items[0];
const keep = (): Promise<void> => product.app.get(PepperRotation, { strict: false }).keep();
const flush = (): Promise<void> => product.app.get(KeyRehash, { strict: false }).flush();
const makeKey = () => product.apiKey(admin, { permissions: ['org:read'] });
const rowOf = async (id: string) =>
  (await product.sql('SELECT digest, pepper_id FROM portcullis.api_keys WHERE id = $1', [id]))[0]!;
/** Uses a key until it has moved: the first use after a rotation may only learn of it. */
async function moved(id: string, key: string, to: Pepper): Promise<void> {
  await until(async () => {
    expectStatus(await me(key), 200);
    await flush();
    return (await rowOf(id))['pepper_id'] === to.id;
  });
}

describe('the pepper of API keys', () => {
  it('is the derived one at first, and is shown to operators alone', async () => {
    const { id, key } = await makeKey();
    expectStatus(await me(key), 200);
    expect(await rowOf(id)).toMatchObject({ pepper_id: DERIVED_PEPPER });
    expect(await peppers()).toMatchObject([{ id: DERIVED_PEPPER, current: true, liveKeys: 1 }]);
    expectStatus(await product.get('/platform/key-peppers', as(admin)), 403, 'access.denied');
    expectStatus(await product.post('/platform/key-peppers/rotate', undefined, as(admin)), 403);
  });

  it('is another after a rotation: for new keys at once, for others when they are used, ending none', async () => {
    const before = await makeKey();
    const { digest } = await rowOf(before.id);
    const next = await rotate();
    expect(next).toMatchObject({ current: true, liveKeys: 0, retiredAt: null });
    expect(await rowOf((await makeKey()).id)).toMatchObject({ pepper_id: next.id });
    // Not by the rotation: nobody has the key then.
    expect(await rowOf(before.id)).toMatchObject({ pepper_id: DERIVED_PEPPER, digest });
    await moved(before.id, before.key, next);
    expect((await rowOf(before.id))['digest']).not.toBe(digest);
    expectStatus(await me(before.key), 200);
    const records = await product.records(admin.organization.id, 'api_key.rehashed');
    expect(records.filter(({ target }) => target.id === before.id)).toMatchObject([
      { actor: { type: 'system', id: 'key_rehash' }, outcome: 'success' },
    ]);
    expect(await product.records(operator.organization.id, 'key_pepper.created')).toMatchObject([
      { target: { type: 'key_pepper', id: next.id }, actor: { id: operator.user.id } },
    ]);
  });

  it('changes under a key that is rotated too: both its secrets work, each under its own', async () => {
    const { id, key: before } = await makeKey();
    const next = await rotate();
    const path = `/orgs/${admin.organization.id}/api-keys/${id}/rotate`;
    const { key: after } = expectStatus(await product.post(path, { overlapSeconds: 600 }, as(admin)), 200);
    expect(await rowOf(id)).toMatchObject({ pepper_id: next.id });
    for (const key of [before, after]) expectStatus(await me(key), 200);
    const older = (await peppers())[1]!;
    expect(older.liveKeys).toBeGreaterThanOrEqual(1);
  });

  it('is not put in the place of a digest that was rotated meanwhile', async () => {
    const { id, key } = await makeKey();
    const next = await rotate();
    await until(async () => {
      expectStatus(await me(key), 200);
      return (
        product.app.get(ApiKeySecrets, { strict: false }).renewed(key, DERIVED_PEPPER)?.pepperId === next.id
      );
    });
    expectStatus(await me(key), 200);
    const path = `/orgs/${admin.organization.id}/api-keys/${id}/rotate`;
    const { key: after } = expectStatus(await product.post(path, { overlapSeconds: 0 }, as(admin)), 200);
    await flush();
    expectStatus(await me(after), 200);
    expectStatus(await me(key), 401, 'auth.invalid_api_key');
  });

  it('is erased when no live key needs it, and not before', async () => {
    const used = await makeKey();
    const dormant = await makeKey();
    const next = await rotate();
    await moved(used.id, used.key, next);
    const old = (await peppers())[1]!;
    expect(old.liveKeys).toBeGreaterThanOrEqual(1);
    await keep();
    expect((await peppers())[1]).toMatchObject({ id: old.id, retiredAt: null });
    expectStatus(await me(dormant.key), 200);
    // Every key but the one that moved ends.
    await product.change(
      `UPDATE api_keys SET revoked_at = now(), revoked_reason = 'test' WHERE id <> $1 AND revoked_at IS NULL`,
      [used.id],
    );
    await keep();
    const after = await peppers();
    expect(after[0]).toMatchObject({ id: next.id, liveKeys: 1, retiredAt: null });
    for (const pepper of after.slice(1)) {
      expect(pepper).toMatchObject({ liveKeys: 0, retiredAt: expect.any(String) as string });
    }
    const kept = await product.sql(
      'SELECT id FROM portcullis.key_peppers WHERE wrapped_pepper IS NOT NULL OR retired_at IS NULL',
    );
    expect(kept).toEqual([{ id: next.id }]);
    expectStatus(await me(used.key), 200);
    const records = await product.records(operator.organization.id, 'key_pepper.retired');
    expect(records.map(({ target }) => target.id)).toContain(old.id);
  });

  it('takes no key once it is retired, whoever writes it', async () => {
    const { id } = await makeKey();
    await expect(
      product.change('UPDATE api_keys SET pepper_id = $2 WHERE id = $1', [id, DERIVED_PEPPER]),
    ).rejects.toThrow('the pepper has been retired meanwhile');
  });

  it('is nowhere in the database as it is', async () => {
    const rows = await product.sql('SELECT wrapped_pepper FROM portcullis.key_peppers');
    for (const { wrapped_pepper: wrapped } of rows) {
      if (wrapped === null) continue;
      const [key, sealed] = String(wrapped).split('.');
      expect(key).toMatch(/^[\w-]+$/);
      // 12 bytes of nonce, 32 of ciphertext, 16 of tag.
      expect(Buffer.from(sealed ?? '', 'base64url')).toHaveLength(60);
    }
  });
});
