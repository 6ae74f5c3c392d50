import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '#kernel';
import {
  type Answered,
  type AppInProcess,
  type Ask,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';

let product: AppInProcess;
let admin: SignedIn;
let org = '';

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  org = `/orgs/${admin.organization.id}`;
});
afterAll(() => product.close());

const as = (who: SignedIn): Ask => ({ token: who.accessToken });
const me = (key: string, ask: Ask = {}): Promise<Answered> => product.get('/auth/me', { ...ask, token: key });
const report = (key: unknown, ask?: Ask): Promise<Answered> =>
  product.post('/auth/api-keys/revoke', { key }, ask);
const makeKey = (request: object = {}) => product.apiKey(admin, { permissions: ['org:read'], ...request });
const revoked = () => product.records(admin.organization.id, 'api_key.revoked');
/** A key of this id with another secret, checksum and all. */
function guess(id: string): string {
  const body = `pck_${id.replaceAll('-', '')}_${randomBytes(24).toString('hex')}`;
  return body + crc32(body).toString(16).padStart(8, '0');
}

describe('a key that leaked', () => {
  it('is ended by whoever holds it, without a credential, and the organization is told from where', async () => {
    const { id, key } = await makeKey();
    expectStatus(await me(key), 200);
    expectStatus(await report(key, { ip: '198.51.100.7' }), 204);
    expectStatus(await me(key), 401, 'auth.invalid_api_key');
    const record = (await revoked()).at(-1);
    expect(record).toMatchObject({
      target: { type: 'api_key', id },
      reason: 'leaked',
      actor: { type: 'api_key', id },
      request: { route: '/api/v1/auth/api-keys/revoke' },
    });
    expect(record.personal['request.ip'].value).toBe('198.51.100.7');
    const list = expectStatus(await product.get(`${org}/api-keys?revoked=true`, as(admin)), 200);
    expect(list.items.find((one: { id: string }) => one.id === id)).toMatchObject({
      revokedReason: 'leaked',
    });
  });

  it('is answered for like one that never was, was ended before, or is only guessed at', async () => {
    const { id, key } = await makeKey();
    const count = (await revoked()).length;
    const answers = [
      await report(guess(id)),
      await report(guess(newId())),
      await report(key),
      await report(key),
    ];
    for (const { status, raw, headers } of answers) {
      expect([status, raw.length, headers['content-length']]).toEqual([
        204,
        0,
        answers[0]!.headers['content-length'],
      ]);
    }
    // Of the four one was right, once.
    expect((await revoked()).length).toBe(count + 1);
  });

  it('is not ended by a guess of its secret', async () => {
    const { id, key } = await makeKey();
    expectStatus(await report(guess(id)), 204);
    expectStatus(await me(key), 200);
  });

  it('is ended although its list of addresses lets nobody in from there', async () => {
    const { key } = await makeKey({ allowedCidrs: ['192.0.2.0/24'] });
    expectStatus(await me(key, { ip: '198.51.100.7' }), 401);
    expectStatus(await report(key, { ip: '198.51.100.7' }), 204);
    expectStatus(await me(key, { ip: '192.0.2.1' }), 401, 'auth.invalid_api_key');
  });

  it('is ended although its owner or its organization is suspended', async () => {
    const tenant = { email: 'gil@globex.example', name: 'Gil', password: 'velvet copper lantern 9' };
    const gil = await product.addTenant('globex', tenant);
    const { id, key } = await product.apiKey(gil, { permissions: ['org:read'] });
    const operator = await product.signIn(owner, 'platform');
    const path = `/orgs/${gil.organization.id}`;
    expectStatus(await product.post(`${path}/suspend`, undefined, as(operator)), 200);
    await product.change(`UPDATE users SET status = 'disabled' WHERE id = $1`, [gil.user.id]);
    expectStatus(await report(key), 204);
    await product.change(`UPDATE users SET status = 'active' WHERE id = $1`, [gil.user.id]);
    expectStatus(await product.post(`${path}/resume`, undefined, as(operator)), 200);
    expectStatus(await me(key), 401, 'auth.invalid_api_key');
    const records = await product.records(gil.organization.id, 'api_key.revoked');
    expect(records).toMatchObject([{ target: { id }, reason: 'leaked' }]);
  });

  it('may be the secret before a rotation while that overlaps, and not after', async () => {
    const { id, key: before } = await makeKey();
    const rotate = async (overlapSeconds: number): Promise<string> =>
      expectStatus(await product.post(`${org}/api-keys/${id}/rotate`, { overlapSeconds }, as(admin)), 200)
        .key;
    const next = await rotate(0);
    expectStatus(await report(before), 204);
    expectStatus(await me(next), 200);
    const last = await rotate(600);
    expectStatus(await report(next), 204);
    expectStatus(await me(last), 401, 'auth.invalid_api_key');
  });

  it('takes with it the keys that it made, and those they made', async () => {
    const { key } = await makeKey({ permissions: ['org:read', 'key:write'] });
    const by = async (token: string, permissions: string[]) =>
      expectStatus(await product.post(`${org}/api-keys`, { name: 'made', permissions }, { token }), 201);
    const child = await by(key, ['org:read', 'key:write']);
    const grandchild = await by(child.key, ['org:read']);
    expectStatus(await me(grandchild.key), 200);
    expectStatus(await report(key), 204);
    for (const made of [child, grandchild]) expectStatus(await me(made.key), 401, 'auth.invalid_api_key');
    expect((await revoked()).slice(-3).map(({ reason }) => reason)).toEqual([
      'leaked',
      'maker_revoked',
      'maker_revoked',
    ]);
  });

  it('must have the form and the checksum of a key', async () => {
    const { key } = await makeKey();
    for (const wrong of [
      key.slice(0, -1),
      key.toUpperCase(),
      `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`,
      'pck_',
    ]) {
      const problem = expectStatus(await report(wrong), 400, 'auth.not_an_api_key');
      expect(problem.errors[0].path).toBe('key');
      expect(JSON.stringify(problem)).not.toContain(key.slice(40));
    }
    for (const wrong of [undefined, 7, '', null])
      expectStatus(await report(wrong), 400, 'http.invalid_input');
    expectStatus(await me(key), 200);
  });
});

describe('the published pattern', () => {
  it('finds real keys in a text, tells look-alikes by the checksum, and names a route that is there', async () => {
    const { items } = expectStatus(await product.get('/.well-known/secret-patterns'), 200);
    expect(items).toHaveLength(1);
    const [pattern] = items;
    const { key } = await makeKey();
    const lookAlike = key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');
    const text = `export KEY="${key}"; # and ${lookAlike} x`;
    const found = [...text.matchAll(new RegExp(pattern.regex, 'g'))].map(([one]) => one);
    expect(found).toEqual([key, lookAlike]);
    const checked = (one: string): boolean =>
      crc32(one.slice(0, -8)).toString(16).padStart(8, '0') === one.slice(-8);
    expect(found.filter(checked)).toEqual([key]);
    expect(key.startsWith(pattern.prefix)).toBe(true);
    const { method, path, field } = pattern.report;
    const answer = await product.ask(method, path.replace('/api/v1', ''), { body: { [field]: key } });
    expectStatus(answer, 204);
    expectStatus(await me(key), 401);
  });
});
