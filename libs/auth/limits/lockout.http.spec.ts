import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { defaultPolicy } from '../policy/org-policy.ts';

const ada = { email: 'ada@acme.example', name: 'Ada', password: 'slow green harbour candle 4' };
const WRONG = 'wrong wrong wrong';
const STRANGER = '198.51.100.7';
const { perDevice, perSource, windowSeconds } = defaultPolicy.limits;

let product: AppInProcess;
let admin: SignedIn;
let adaId = '';

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  adaId = await product.addMember(admin, ada, 'viewer');
});
afterAll(() => product.close());
beforeEach(() => product.forgetAttempts());

const login = (body: object, ip?: string): Promise<Answered> =>
  product.post('/auth/login', { email: ada.email, password: ada.password, ...body }, ip ? { ip } : {});
const guess = (ip: string, more: object = {}): Promise<Answered> => login({ password: WRONG, ...more }, ip);
async function guesses(count: number, ip: string, more?: object): Promise<void> {
  for (let n = 0; n < count; n += 1) expectStatus(await guess(ip, more), 401, 'auth.invalid_credentials');
}
const lastReason = async (): Promise<string> =>
  (await product.records(admin.organization.id, 'auth.sign_in_refused')).at(-1).reason;

describe('a stranger who guesses', () => {
  it('is refused with the same answer, the right password too, and the record says why', async () => {
    const first = await guess(STRANGER);
    await guesses(perDevice - 1, STRANGER);
    const right = await login({}, STRANGER);
    const shape = ({ status, body, headers }: Answered) => {
      const { requestId: _id, ...rest } = body;
      return { status, rest, names: Object.keys(headers).sort() };
    };
    expect(shape(right)).toEqual(shape(first));
    expect(await lastReason()).toBe('account_locked');
  });

  it('cannot lock the person out at their device, nor anywhere but at the stranger’s own address', async () => {
    const { deviceToken } = expectStatus(await login({}, '192.0.2.1'), 200);
    await guesses(perDevice + 3, STRANGER);
    expectStatus(await login({ deviceToken }, STRANGER), 200);
    expectStatus(await login({}, '192.0.2.77'), 200);
    expectStatus(await login({}, STRANGER), 401);
  });

  it('gains nothing by a device of their own, and is held by it as by an address', async () => {
    const { deviceToken } = await product.signIn(owner, undefined, { ip: STRANGER });
    await guesses(perDevice, STRANGER, { deviceToken });
    expectStatus(await login({ deviceToken }, STRANGER), 401);
    const mine = expectStatus(await login({}, '192.0.2.1'), 200).deviceToken;
    for (let n = 0; n < perDevice; n += 1) await guess(`192.0.2.${n}`, { deviceToken: mine });
    expectStatus(await login({ deviceToken: mine }, '192.0.2.200'), 401);
    expect(await lastReason()).toBe('account_locked');
  });

  it('is told of once in the log of the organization, and in no other words for nobody', async () => {
    const locked = async () => product.records(admin.organization.id, 'auth.locked');
    const before = (await locked()).length;
    await guesses(perDevice + 5, STRANGER);
    const records = (await locked()).slice(before);
    expect(records).toMatchObject([{ outcome: 'denied', reason: 'pair', target: { id: adaId } }]);
    for (let n = 0; n < perDevice + 2; n += 1)
      expectStatus(await guess(STRANGER, { email: 'nobody@acme.example' }), 401);
    const [platform] = await product.sql(`SELECT id FROM portcullis.organizations WHERE kind = 'platform'`);
    const other = await product.records(String(platform?.['id']), 'auth.locked');
    expect(other).toMatchObject([{ reason: 'pair', target: { id: 'unknown' } }]);
  });

  it('gets no more by letting right sign-ins of their own go between', async () => {
    await guesses(perDevice - 1, STRANGER);
    for (let n = 0; n < 5; n += 1) await product.signIn(owner, undefined, { ip: STRANGER });
    expectStatus(await guess(STRANGER), 401);
    expectStatus(await login({}, STRANGER), 401);
  });
});

describe('a person', () => {
  it('may sign in any number of times', async () => {
    for (let n = 0; n < perDevice * 3; n += 1) expectStatus(await login({}, '192.0.2.1'), 200);
  });

  it('who mistyped may sign in until the limit, and their mistakes count on', async () => {
    await guesses(perDevice - 1, '192.0.2.1');
    expectStatus(await login({}, '192.0.2.1'), 200);
    await guesses(1, '192.0.2.1');
    expectStatus(await login({}, '192.0.2.1'), 401);
  });

  it('is bound by the limits of the policy', async () => {
    await product.change(`INSERT INTO portcullis.org_policies VALUES ($1, '{"limits": {"perDevice": 3}}')`, [
      admin.organization.id,
    ]);
    await guesses(3, STRANGER);
    expectStatus(await login({}, STRANGER), 401);
    await product.change('DELETE FROM portcullis.org_policies');
    expectStatus(await login({}, STRANGER), 200);
  });
});

describe('a source', () => {
  it('beyond its limit is answered 429 on every route without a credential, with the time to wait', async () => {
    const [ip, allowed] = ['203.0.113.5', 12];
    await product.change(
      `INSERT INTO portcullis.org_policies
         SELECT id, jsonb_build_object('limits', jsonb_build_object('perSource', $1::int))
           FROM portcullis.organizations WHERE kind = 'platform'`,
      [allowed],
    );
    for (let n = 0; n < allowed; n += 1)
      expectStatus(await guess(ip, { email: `nobody-${n}@acme.example` }), 401);
    const routes: [string, object][] = [
      ['/auth/login', { email: ada.email, password: ada.password }],
      ['/auth/refresh', { refreshToken: 'pcr_made-up' }],
      ['/auth/password/change-required', { challengeId: 'pcc_made-up', newPassword: ada.password }],
      ['/auth/password/reset', { email: ada.email }],
      ['/auth/password/reset/complete', { token: 'pcp_made-up', newPassword: ada.password }],
      ['/auth/invitations/accept', { token: 'pci_made-up', name: 'Ada', password: ada.password }],
    ];
    for (const [path, body] of routes) {
      const answer = await product.post(path, body, { ip });
      expectStatus(answer, 429, 'auth.too_many_requests');
      expect(answer.headers['ratelimit-policy'], path).toBe(`"source";q=${allowed};w=${windowSeconds}`);
      expect(answer.headers['ratelimit']).toMatch(/^"source";r=0;t=\d+$/);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(windowSeconds - 60);
    }
    expectStatus(await login({}, '192.0.2.1'), 200);
    await product.change('DELETE FROM portcullis.org_policies');
  });

  it('is counted by refused tokens, and not by tokens that work', async () => {
    const ip = '203.0.113.6';
    let { refreshToken } = await product.signIn(owner, undefined, { ip });
    const count = async (): Promise<number> =>
      Number(
        (
          await product.sql(
            `SELECT coalesce(sum(attempts), 0) AS n FROM portcullis.attempt_counters WHERE pool LIKE 'source:%'`,
          )
        )[0]?.['n'],
      );
    expect(await count()).toBe(0);
    for (let n = 0; n < 3; n += 1) {
      ({ refreshToken } = expectStatus(await product.post('/auth/refresh', { refreshToken }, { ip }), 200));
    }
    expect(await count()).toBe(0);
    for (let n = 0; n < 3; n += 1)
      expectStatus(await product.post('/auth/refresh', { refreshToken: 'pcr_made-up' }, { ip }), 401);
    expect(await count()).toBe(3);
    expect(perSource).toBeGreaterThan(3);
  });
});

describe('an invitation', () => {
  it('lets nobody guess the password of the address it is bound to', async () => {
    const globex = await product.addTenant('globex', {
      email: 'gus@globex.example',
      name: 'Gus',
      password: 'early winter orchard gate 5',
    });
    const path = `/orgs/${globex.organization.id}/invitations`;
    const invited = { email: ada.email, role: 'viewer' };
    const { token } = expectStatus(await product.post(path, invited, { token: globex.accessToken }), 201);
    const accept = (password: string): Promise<Answered> =>
      product.post('/auth/invitations/accept', { token, name: 'Ada', password }, { ip: STRANGER });
    for (let n = 0; n < perDevice; n += 1) expectStatus(await accept(WRONG), 401);
    expectStatus(await accept(ada.password), 429, 'auth.too_many_requests');
    expectStatus(await login({}, STRANGER), 401);
    expectStatus(await login({ organization: 'acme' }, '192.0.2.1'), 200);
  });
});

describe('the current password', () => {
  it('is guessed with a stolen session no more often than anywhere', async () => {
    const session = expectStatus(await login({ organization: 'acme' }, STRANGER), 200) as SignedIn;
    const change = (currentPassword: string): Promise<Answered> =>
      product.post(
        '/auth/password',
        { currentPassword, newPassword: 'a wholly new lantern 77' },
        { token: session.accessToken, ip: STRANGER },
      );
    for (let n = 0; n < perDevice; n += 1) expectStatus(await change(WRONG), 403);
    const refused = await change(ada.password);
    expectStatus(refused, 429, 'auth.too_many_requests');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1);
  });
});
