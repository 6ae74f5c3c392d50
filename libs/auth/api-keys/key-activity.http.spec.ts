import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { KeyActivity } from './key-activity.ts';

let product: AppInProcess;
let admin: SignedIn;

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
});
afterAll(() => product.close());

const path = (): string => `/orgs/${admin.organization.id}/api-keys`;
const me = (key: string, ask: Ask): Promise<Answered> => product.get('/auth/me', { ...ask, token: key });
const makeKey = (request: object): Promise<Answered> =>
  product.post(
    path(),
    { name: 'a key', permissions: ['org:read'], ...request },
    { token: admin.accessToken },
  );
async function list(): Promise<Record<string, unknown>[]> {
  return expectStatus(await product.get(path(), { token: admin.accessToken }), 200).items;
}

describe('the last use of an API key', () => {
  it('is told with its address, written together and never backwards', async () => {
    const { id, key } = expectStatus(await makeKey({}), 201);
    const seen = async () => (await list()).find((one) => one['id'] === id)!;
    expect(await seen()).toMatchObject({ lastUsedAt: null, lastUsedIp: null });
    const activity = product.app.get(KeyActivity, { strict: false });
    const before = Date.now();
    for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) expectStatus(await me(key, { ip }), 200);
    await activity.flush();
    const used = await seen();
    expect(used['lastUsedIp']).toBe('192.0.2.3');
    expect(Date.parse(String(used['lastUsedAt']))).toBeGreaterThanOrEqual(before);
    // Another replica that saw an earlier use writes later.
    activity.touch(id, before - 60_000, '203.0.113.9');
    await activity.flush();
    expect(await seen()).toMatchObject({ lastUsedAt: used['lastUsedAt'], lastUsedIp: '192.0.2.3' });
  });

  it('is none where the key was refused', async () => {
    const { id, key } = expectStatus(await makeKey({ allowedCidrs: ['192.0.2.0/24'] }), 201);
    expectStatus(await me(key, { ip: '198.51.100.1' }), 401);
    await product.app.get(KeyActivity, { strict: false }).flush();
    expect((await list()).find((one) => one['id'] === id)).toMatchObject({ lastUsedAt: null });
  });
});
