import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';

const ada = { email: 'ada@acme.example', name: 'Ada', password: 'slow green harbour candle 4' };
const FIREFOX = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' };

let product: AppInProcess;
let admin: SignedIn;

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  await product.addMember(admin, ada, 'viewer');
});
afterAll(() => product.close());
beforeEach(() => product.change('DELETE FROM devices'));

const signIn = async (more: object = {}, ask: object = {}): Promise<SignedIn> => {
  const { email, password } = ada;
  return expectStatus(await product.post('/auth/login', { email, password, ...more }, ask), 200) as SignedIn;
};
const devices = async (as: SignedIn): Promise<Record<string, unknown>[]> =>
  expectStatus(await product.get('/auth/devices', { token: as.accessToken }), 200).items;
const forget = (as: SignedIn, id: unknown): Promise<Answered> =>
  product.delete(`/auth/devices/${String(id)}`, { token: as.accessToken });

describe('a device', () => {
  it('is given a token at its first sign-in and none while it is known', async () => {
    const first = await signIn({}, { headers: FIREFOX });
    expect(first.deviceToken).toMatch(/^pcd_[\w-]{43}$/);
    const again = await signIn({ deviceToken: first.deviceToken }, { headers: FIREFOX, ip: '192.0.2.9' });
    expect(again.deviceToken).toBeUndefined();
    expect(await devices(again)).toMatchObject([{ userAgent: FIREFOX['user-agent'], current: true }]);
    const record = (await product.records(admin.organization.id, 'auth.signed_in')).at(-1);
    expect(record.changes.device.to).toBe((await devices(again))[0]!['id']);
  });

  it('is stored as a digest only', async () => {
    const { deviceToken } = await signIn();
    const [row] = await product.sql('SELECT to_jsonb(d)::text AS text FROM portcullis.devices d');
    expect(row?.['text']).not.toContain(deviceToken!.slice(4));
  });

  it('of one person is no device of another', async () => {
    const { deviceToken } = await product.signIn(owner);
    expect((await signIn({ deviceToken })).deviceToken).toBeDefined();
    expect((await signIn({ deviceToken: 'pcd_made-up' })).deviceToken).toBeDefined();
  });

  it('that loses its token each time is one device, not many, and its last token is the good one', async () => {
    const tokens = [];
    for (let n = 0; n < 4; n += 1) tokens.push((await signIn({}, { headers: FIREFOX })).deviceToken);
    const [first, last] = [tokens[0], tokens.at(-1)];
    expect(await product.sql('SELECT FROM portcullis.devices')).toHaveLength(1);
    expect((await signIn({ deviceToken: last })).deviceToken).toBeUndefined();
    expect((await signIn({ deviceToken: first })).deviceToken).toBeDefined();
  });

  it('that showed its token is not taken the place of by one that looks the same', async () => {
    const { deviceToken } = await signIn({}, { headers: FIREFOX });
    await signIn({ deviceToken }, { headers: FIREFOX });
    await signIn({}, { headers: FIREFOX });
    await signIn({}, { headers: FIREFOX });
    expect((await signIn({ deviceToken }, { headers: FIREFOX })).deviceToken).toBeUndefined();
    expect(await product.sql('SELECT FROM portcullis.devices')).toHaveLength(2);
  });

  it('is unknown again when it expired', async () => {
    const { deviceToken } = await signIn();
    await product.change(`UPDATE devices SET expires_at = now()`);
    expect((await signIn({ deviceToken })).deviceToken).toBeDefined();
  });

  it('is renewed at most once an hour', async () => {
    const { deviceToken } = await signIn();
    const seen = async () => (await product.sql('SELECT last_seen_at, proven FROM portcullis.devices'))[0];
    await signIn({ deviceToken });
    const first = await seen();
    expect(first?.['proven']).toBe(true);
    await signIn({ deviceToken });
    expect(await seen()).toEqual(first);
    await product.change(`UPDATE devices SET last_seen_at = now() - interval '2 hours'`);
    await signIn({ deviceToken });
    expect((await seen())?.['last_seen_at'].getTime()).toBeGreaterThanOrEqual(
      first?.['last_seen_at'].getTime(),
    );
  });

  it('can be forgotten by its person and by nobody else, which is recorded', async () => {
    const mine = await signIn();
    const [device] = await devices(mine);
    expectStatus(await forget(admin, device!['id']), 404, 'auth.device_not_found');
    expectStatus(await forget(mine, device!['id']), 204);
    expectStatus(await forget(mine, device!['id']), 404, 'auth.device_not_found');
    expect(await devices(mine)).toEqual([]);
    const records = await product.records(admin.organization.id, 'auth.device_forgotten');
    expect(records).toMatchObject([{ target: { type: 'device', id: device!['id'] } }]);
    expect((await signIn({ deviceToken: mine.deviceToken })).deviceToken).toBeDefined();
  });

  it('is no matter of an API key', async () => {
    const { key } = await product.apiKey(admin, { permissions: ['org:read'] });
    expectStatus(await product.get('/auth/devices', { token: key }), 403, 'auth.sessions_only');
  });

  it('is forgotten when the password changes, unless the other sessions stay', async () => {
    const session = await signIn();
    const change = async (currentPassword: string, newPassword: string, more = {}): Promise<void> => {
      const body = { currentPassword, newPassword, ...more };
      expectStatus(await product.post('/auth/password', body, { token: session.accessToken }), 200);
    };
    const other = 'brisk copper lantern field 9';
    await change(ada.password, other, { endOtherSessions: false });
    expect(await product.sql('SELECT FROM portcullis.devices')).toHaveLength(1);
    await change(other, ada.password);
    expect(await product.sql('SELECT FROM portcullis.devices')).toHaveLength(0);
  });
});
