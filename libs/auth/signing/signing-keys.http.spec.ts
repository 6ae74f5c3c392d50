import { createPrivateKey, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Database, InvalidationStream } from '#database';
import { MasterKey } from '#secrets';
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
import { SigningKeyRotation } from './signing-key-rotation.ts';
import { SigningKeys } from './signing-keys.ts';

let product: AppInProcess;
let operator: SignedIn;

beforeAll(async () => {
  product = await startApp();
  operator = await product.signIn(owner, 'platform');
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => product.close());

interface Key {
  kid: string;
  state: string;
  retiredAt: string | null;
}

const PATH = '/platform/signing-keys';
const as = (who: SignedIn): Ask => ({ token: who.accessToken });
const me = (token: string): Promise<Answered> => product.get('/auth/me', { token });
const keys = async (): Promise<Key[]> => expectStatus(await product.get(PATH, as(operator)), 200).items;
const kidIn = async (state: string): Promise<string> =>
  (await keys()).find((key) => key.state === state)!.kid;
const kidOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).kid;
const published = async (): Promise<string[]> =>
  expectStatus(await product.get('/.well-known/jwks.json'), 200).keys.map(({ kid }: Key) => kid);
const keep = (): Promise<void> => product.app.get(SigningKeyRotation, { strict: false }).keep();
const records = (action: string) => product.records(operator.organization.id, action);
/** As if the key in this state was in it for so long. */
const age = (state: string, column: string, interval: string) =>
  product.change(`UPDATE signing_keys SET ${column} = now() - $2::interval WHERE state = $1`, [
    state,
    interval,
  ]);
async function rotate(): Promise<Key[]> {
  await age('next', 'created_at', '10 minutes');
  return expectStatus(await product.post(`${PATH}/rotate`, undefined, as(operator)), 200).items;
}
async function refresh({ refreshToken }: SignedIn): Promise<SignedIn> {
  return expectStatus(await product.post('/auth/refresh', { refreshToken }), 200);
}

describe('the signing keys of a new deployment', () => {
  it('are one that signs and one that will, both published, the signing one first', async () => {
    expect((await keys()).map(({ state }) => state)).toEqual(['next', 'current']);
    expect(await published()).toEqual([await kidIn('current'), await kidIn('next')]);
    expect(kidOf(operator.accessToken)).toBe(await kidIn('current'));
    expect(await records('signing_key.created')).toHaveLength(2);
  });

  it('are shown to operators without their secrets, and to nobody else', async () => {
    const answer = await product.get(PATH, as(operator));
    expect(Object.keys(answer.body.items[0]).sort()).toEqual(
      ['createdAt', 'kid', 'retiredAt', 'signsFrom', 'signsUntil', 'state'].sort(),
    );
    expectStatus(await product.get(PATH, as(await product.signIn(owner))), 403, 'access.denied');
  });

  it('cannot be rotated before the next one was published long enough', async () => {
    const refused = await product.post(`${PATH}/rotate`, undefined, as(operator));
    const { data } = expectStatus(refused, 409, 'auth.next_key_too_new');
    const lead = Date.parse(data.rotatableAt) - Date.now();
    expect(lead).toBeGreaterThan(500_000);
    expect(lead).toBeLessThanOrEqual(600_000);
    await age('next', 'created_at', '9 minutes 50 seconds');
    expectStatus(await product.post(`${PATH}/rotate`, undefined, as(operator)), 409);
  });
});

describe('a rotation', () => {
  it('lets the next key sign, accepts what the one before signed, and publishes another next one', async () => {
    const [old, next] = [await kidIn('current'), await kidIn('next')];
    const before = await product.signIn(owner);
    const after = await rotate();
    expect(after.map(({ kid, state }) => [kid === old || kid === next, state])).toEqual([
      [false, 'next'],
      [true, 'current'],
      [true, 'retiring'],
    ]);
    expect(kidOf((await product.signIn(owner)).accessToken)).toBe(next);
    expectStatus(await me(before.accessToken), 200);
    expect(await published()).toEqual([next, after[0]!.kid, old]);
    expect((await records('signing_key.rotated')).at(-1)).toMatchObject({
      actor: { id: operator.user.id },
      target: { type: 'signing_key', id: next },
      changes: { current: { from: old, to: next } },
      reason: 'rotated_by_operator',
    });
  });

  it('retires the key before when its last token has expired, and erases its private half', async () => {
    const { accessToken } = await product.signIn(owner);
    const old = kidOf(accessToken);
    await rotate();
    await age('retiring', 'signs_until', '9 minutes');
    await keep();
    expect(await published()).toContain(old);
    await age('retiring', 'signs_until', '11 minutes');
    await keep();
    expect(await published()).not.toContain(old);
    expectStatus(await me(accessToken), 401, 'auth.invalid_token');
    const [row] = await product.sql('SELECT wrapped_private FROM portcullis.signing_keys WHERE kid = $1', [
      old,
    ]);
    expect(row).toEqual({ wrapped_private: '' });
    expect((await records('signing_key.retired')).map(({ target }) => target.id)).toContain(old);
    operator = await product.signIn(owner, 'platform');
  });

  it('comes by itself after thirty days, and not before', async () => {
    const current = await kidIn('current');
    await age('next', 'created_at', '29 days');
    await age('current', 'signs_from', '29 days 23 hours');
    await keep();
    expect(await kidIn('current')).toBe(current);
    await age('current', 'signs_from', '30 days 1 minute');
    await keep();
    expect(await kidIn('current')).not.toBe(current);
    expect((await records('signing_key.rotated')).at(-1)).toMatchObject({
      actor: { type: 'system', id: 'housekeeping' },
      reason: 'rotated_by_age',
    });
    // However old: a key that nobody could know yet does not sign.
    const now = await kidIn('current');
    await age('current', 'signs_from', '90 days');
    await keep();
    expect(await kidIn('current')).toBe(now);
  });

  it('of many at once happens once', async () => {
    await age('next', 'created_at', '10 minutes');
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => product.post(`${PATH}/rotate`, undefined, as(operator))),
    );
    expect(answers.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1);
    expect(answers.map(({ status }) => status).filter((status) => status === 409)).toHaveLength(4);
  });
});

describe('keys that cannot be read', () => {
  it('are an outage and no bad token', async () => {
    const person = await product.signIn(owner);
    const database = product.app.get(Database);
    const read = database.acrossOrgs.bind(database);
    product.app.get(SigningKeys, { strict: false }).lapsed();
    vi.spyOn(database, 'acrossOrgs').mockImplementation((reason, work) =>
      reason === 'signing_keys'
        ? read(reason, () => Promise.reject(Object.assign(new Error('gone'), { code: '57P01' })))
        : read(reason, work),
    );
    expectStatus(await me(person.accessToken), 503, 'database.unavailable');
    vi.restoreAllMocks();
    expectStatus(await me(person.accessToken), 200);
  });
});

describe('housekeeping', () => {
  it('makes a next key where an older deployment has none', async () => {
    await product.change(`DELETE FROM signing_keys WHERE state = 'next'`);
    await keep();
    expect(await published()).toContain(await kidIn('next'));
  });
});

describe('a withdrawn key', () => {
  const withdraw = (kid: string): Promise<Answered> => product.delete(`${PATH}/${kid}`, as(operator));

  it('is accepted no more when the withdrawal answers, the next one signs, and sessions live on', async () => {
    operator = await product.signIn(owner, 'platform');
    const person = await product.signIn(owner);
    expectStatus(await me(person.accessToken), 200);
    const [kid, next] = [await kidIn('current'), await kidIn('next')];
    const platform = operator;
    expectStatus(await withdraw(kid), 204);
    // Remembered as verified a moment ago.
    expectStatus(await me(person.accessToken), 401, 'auth.invalid_token');
    expectStatus(await me(platform.accessToken), 401, 'auth.invalid_token');
    const again = await refresh(person);
    expect(kidOf(again.accessToken)).toBe(next);
    expect(again.session.id).toBe(person.session.id);
    expectStatus(await me(again.accessToken), 200);
    operator = await refresh(platform);
    expect(await published()).not.toContain(kid);
    expect(await kidIn('withdrawn')).toBe(kid);
    expect((await records('signing_key.withdrawn')).at(-1)).toMatchObject({
      target: { id: kid },
      changes: { state: { from: 'current' } },
    });
    const [row] = await product.sql('SELECT wrapped_private FROM portcullis.signing_keys WHERE kid = $1', [
      kid,
    ]);
    expect(row).toEqual({ wrapped_private: '' });
  });

  it('is refused also by a replica without a lease, which asks the database', async () => {
    const person = await product.signIn(owner);
    expectStatus(await me(person.accessToken), 200);
    vi.spyOn(product.app.get(InvalidationStream), 'isFresh', 'get').mockReturnValue(false);
    expectStatus(await me(person.accessToken), 200);
    const platform = operator;
    expectStatus(await withdraw(await kidIn('current')), 204);
    expectStatus(await me(person.accessToken), 401, 'auth.invalid_token');
    operator = await refresh(platform);
  });

  it('does not come back by a load that was under way', async () => {
    const signing = product.app.get(SigningKeys, { strict: false });
    const database = product.app.get(Database);
    const platform = operator;
    const kid = await kidIn('current');
    signing.lapsed();
    // What was read before the withdrawal arrives after it.
    const read = database.acrossOrgs.bind(database);
    let arrive = (): void => undefined;
    let hasRead = false;
    const held = new Promise<void>((resolve) => (arrive = resolve));
    const spy = vi.spyOn(database, 'acrossOrgs').mockImplementation(async (reason, work) => {
      const result = await read(reason, work);
      if (reason === 'signing_keys') {
        hasRead = true;
        await held;
      }
      return result;
    });
    const late = signing.publicKey(kid);
    await until(async () => hasRead);
    spy.mockRestore();
    expectStatus(await withdraw(kid), 204);
    arrive();
    await late;
    expect(signing.accepts(kid)).toBe(false);
    expectStatus(await me(platform.accessToken), 401, 'auth.invalid_token');
    operator = await refresh(platform);
  });

  it('may be the next one: another takes its place and has to wait as long', async () => {
    const next = await kidIn('next');
    expectStatus(await withdraw(next), 204);
    expect(await kidIn('next')).not.toBe(next);
    expectStatus(await product.post(`${PATH}/rotate`, undefined, as(operator)), 409, 'auth.next_key_too_new');
  });

  it('must be one that is accepted', async () => {
    expectStatus(await withdraw(await kidIn('withdrawn')), 404, 'auth.signing_key_not_found');
    expectStatus(await withdraw('u'.repeat(43)), 404, 'auth.signing_key_not_found');
    for (const kid of ['a%20b', 'x'.repeat(44), "a'--", 'a%2Fb']) {
      const problem = expectStatus(await withdraw(kid), 400, 'auth.bad_key_id');
      expect(problem.errors[0].path).toBe('kid');
    }
  });
});

describe('a stolen database', () => {
  it('signs nothing: what it holds of private keys opens only with the master key', async () => {
    const rows = await product.sql('SELECT * FROM portcullis.signing_keys WHERE retired_at IS NULL');
    expect(rows.length).toBeGreaterThanOrEqual(2);
    for (const row of rows) {
      const wrapped = Buffer.from(row['wrapped_private'], 'base64url');
      expect(wrapped.length).toBeGreaterThan(100);
      for (const type of ['pkcs8', 'sec1'] as const) {
        expect(() => createPrivateKey({ key: wrapped, format: 'der', type })).toThrow();
      }
      expect(JSON.parse(row['public_jwk']).d).toBeUndefined();
      const context = `signing_key:${row['kid']}`;
      expect(() => new MasterKey(randomBytes(32)).unwrap(row['wrapped_private'], context)).toThrow();
      // The right master key opens it, in its own row only: the failures above are the key's.
      const right = product.app.get(MasterKey, { strict: false });
      const pkcs8 = right.unwrap(row['wrapped_private'], context);
      expect(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).asymmetricKeyType).toBe('ec');
      expect(() => right.unwrap(row['wrapped_private'], 'signing_key:another')).toThrow();
    }
  });
});
