import { argon2Sync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../../test/kit/app-in-process.ts';
import { formatHash, isOutdated } from '../passwords/password-hash.ts';

const ada = { email: 'ada@acme.example', name: 'Ada', password: 'slow green harbour candle 4' };
const gus = { email: 'gus@globex.example', name: 'Gus', password: 'early winter orchard gate 5' };

let product: AppInProcess;
let admin: SignedIn;
let globex: SignedIn;
let adaId = '';

beforeAll(async () => {
  product = await startApp();
  admin = await product.signIn(owner);
  globex = await product.addTenant('globex', gus);
  adaId = await product.addMember(admin, ada, 'viewer');
});
afterAll(() => product.close());

const login = (body: object): Promise<Answered> => product.post('/auth/login', body);
const set = (assignment: string, email = ada.email): Promise<unknown> =>
  product.change(`UPDATE users SET ${assignment} WHERE email = $1`, [email]);

/** The last refusal of a sign-in in a log. */
async function lastRefusal(orgId: string) {
  return (await product.records(orgId, 'auth.sign_in_refused')).at(-1);
}

async function platformId(): Promise<string> {
  const [row] = await product.sql(`SELECT id FROM portcullis.organizations WHERE kind = 'platform'`);
  return String(row?.['id']);
}

describe('a refused sign-in', () => {
  const wrong = { email: ada.email, password: 'wrong wrong wrong' };
  /** How each comes about, the request, and what the record (and it alone) says. */
  const cases: [string, () => Promise<unknown>, object, string][] = [
    [
      'an unknown account',
      async () => {},
      { email: 'nobody@acme.example', password: ada.password },
      'unknown_account',
    ],
    ['a wrong password', async () => {}, wrong, 'wrong_password'],
    ['a locked account', () => set(`locked_until = now() + interval '1 hour'`), ada, 'account_locked'],
    ['a disabled account', () => set(`status = 'disabled'`), ada, 'account_disabled'],
    [
      'no membership',
      () => product.change(`UPDATE memberships SET status = 'disabled' WHERE user_id = $1`, [adaId]),
      ada,
      'no_membership',
    ],
    ['an organization of others', async () => {}, { ...ada, organization: 'globex' }, 'not_a_member'],
    [
      'an organization that does not exist',
      async () => {},
      { ...ada, organization: 'nowhere' },
      'not_a_member',
    ],
    [
      'an account without a password',
      () => product.change('DELETE FROM passwords WHERE user_id = $1', [adaId]),
      ada,
      'wrong_password',
    ],
  ];
  const answers: Answered[] = [];

  it.each(cases)('for %s says nothing of why; the record does', async (_what, arrange, request, reason) => {
    const stored = await product.sql('SELECT hash FROM portcullis.passwords WHERE user_id = $1', [adaId]);
    await arrange();
    const { email, password, organization } = request as typeof ada & { organization?: string };
    const answer = await login({ email, password, ...(organization && { organization }) });
    await set(`status = 'active', locked_until = NULL`);
    await product.change(`UPDATE memberships SET status = 'active' WHERE user_id = $1`, [adaId]);
    await product.change('INSERT INTO passwords (user_id, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      adaId,
      stored[0]?.['hash'],
    ]);
    const problem = expectStatus(answer, 401, 'auth.invalid_credentials');
    expect(Object.keys(problem).sort()).toEqual(['code', 'requestId', 'status', 'title', 'type']);
    answers.push(answer);
    const logs = [await lastRefusal(admin.organization.id), await lastRefusal(await platformId())];
    const record = logs.find((one) => one?.request.id === problem.requestId);
    expect(record).toMatchObject({ reason, outcome: 'denied' });
    if (reason !== 'unknown_account')
      expect(record).toMatchObject({ actor: { id: adaId }, target: { id: adaId } });
  });

  it('is the same answer each time, but for its request id', () => {
    const shape = ({ status, body, headers }: Answered) => {
      const { requestId, ...rest } = body;
      expect(requestId).toBe(headers['x-request-id']);
      const { 'x-request-id': _id, date: _date, ...kept } = headers;
      return { status, rest, kept: { ...kept, 'content-length': String(kept['content-length']) } };
    };
    expect(answers).toHaveLength(cases.length);
    for (const answer of answers) expect(shape(answer)).toEqual(shape(answers[0]!));
  });

  it('leaves the person able to sign in', async () => {
    expect((await product.signIn(ada)).organization.slug).toBe('acme');
  });

  it('takes as long for nobody, for a wrong password and beyond the limit of wrong ones', async () => {
    await product.forgetAttempts();
    const kinds = ['unknown', 'wrong', 'locked'] as const;
    const took: Record<(typeof kinds)[number], number[]> = { unknown: [], wrong: [], locked: [] };
    // From one source the limit is reached; from each of the others there is one attempt.
    const from = (ip: string) => ({ ip });
    for (let n = 0; n < 10; n += 1) {
      expectStatus(await product.post('/auth/login', wrong, from('192.0.2.1')), 401);
    }
    for (let n = 0; n < 30; n += 1) {
      for (let turn = 0; turn < kinds.length; turn += 1) {
        const which = kinds[(n + turn) % kinds.length]!;
        const email = which === 'unknown' ? `nobody-${n}@acme.example` : ada.email;
        const source = from(which === 'locked' ? '192.0.2.1' : `198.51.100.${n}`);
        const before = performance.now();
        const answer = await product.post('/auth/login', { email, password: 'wrong wrong wrong' }, source);
        took[which].push(performance.now() - before);
        expectStatus(answer, 401, 'auth.invalid_credentials');
      }
    }
    const reasons = (await product.records(admin.organization.id)).map((record) => record.reason);
    expect(reasons, 'nothing was verified beyond the limit').toContain('account_locked');
    const median = (list: number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
    const wrongOne = median(took.wrong);
    const spread = median(took.wrong.map((ms) => Math.abs(ms - wrongOne)));
    console.info(
      `sign-in refused: ${kinds.map((which) => `${which} ${median(took[which]).toFixed(1)} ms`).join(', ')} ` +
        `(medians of 30, median deviation ${spread.toFixed(1)} ms)`,
    );
    // Without the decoy the others would take a few milliseconds of the tens that a hash takes.
    for (const which of kinds) {
      expect(median(took[which])).toBeGreaterThan(wrongOne / 2);
      expect(median(took[which])).toBeLessThan(wrongOne * 2);
    }
    await product.forgetAttempts();
  });
});

describe('the organization of a sign-in', () => {
  const slugs = (problem: { data: { organizations: { slug: string }[] } }): string[] =>
    problem.data.organizations.map(({ slug }) => slug).sort();

  it('is the only one', async () => {
    expect((await product.signIn(gus)).organization).toMatchObject({ slug: 'globex', kind: 'tenant' });
  });

  it('is the tenant, of a tenant and the platform', async () => {
    expect((await product.signIn(owner)).organization).toMatchObject({ slug: 'acme', kind: 'tenant' });
  });

  it('is the one that is named', async () => {
    expect((await product.signIn(owner, 'platform')).organization.kind).toBe('platform');
    expect((await product.signIn(owner, 'acme')).organization.slug).toBe('acme');
  });

  it('must be named, of two tenants; the answer lists them', async () => {
    const invited = expectStatus(
      await product.post(
        `/orgs/${globex.organization.id}/invitations`,
        { email: ada.email, role: 'viewer' },
        { token: globex.accessToken },
      ),
      201,
    );
    const { name, password } = ada;
    expectStatus(
      await product.post('/auth/invitations/accept', { token: invited.token, name, password }),
      201,
    );
    const problem = expectStatus(
      await login({ email: ada.email, password }),
      409,
      'auth.organization_required',
    );
    expect(slugs(problem)).toEqual(['acme', 'globex']);
    expect((await product.signIn(ada, 'globex')).organization.slug).toBe('globex');
    // Only the right password tells which organizations a person is in.
    const wrong = await login({ email: ada.email, password: 'wrong wrong wrong' });
    expect(expectStatus(wrong, 401, 'auth.invalid_credentials').data).toBeUndefined();
  });

  it('is refused while it is suspended, to those who know the password', async () => {
    const platform = await product.signIn(owner, 'platform');
    const { id } = globex.organization;
    const as = { token: platform.accessToken };
    expectStatus(await product.ask('POST', `/orgs/${id}/suspend`, as), 200);
    expectStatus(await login({ email: gus.email, password: gus.password }), 403, 'access.org_suspended');
    expectStatus(
      await login({ email: gus.email, password: 'wrong wrong wrong' }),
      401,
      'auth.invalid_credentials',
    );
    expectStatus(await product.ask('POST', `/orgs/${id}/resume`, as), 200);
    globex = await product.signIn(gus);
  });
});

describe('a hash made with weak parameters', () => {
  it('is made anew at the next sign-in, once, and recorded', async () => {
    const weak = { memory: 4_096, passes: 1, parallelism: 1 };
    const salt = Buffer.alloc(16, 3);
    const hash = argon2Sync('argon2id', { message: gus.password, nonce: salt, tagLength: 32, ...weak });
    const stored = async (): Promise<string> => {
      const [row] = await product.sql('SELECT hash FROM portcullis.passwords WHERE user_id = $1', [
        globex.user.id,
      ]);
      return String(row?.['hash']);
    };
    await product.change('UPDATE passwords SET hash = $2 WHERE user_id = $1', [
      globex.user.id,
      formatHash({ ...weak, salt, hash }),
    ]);
    expectStatus(await login({ email: gus.email, password: 'wrong wrong wrong' }), 401);
    expect(isOutdated(await stored())).toBe(true);
    await product.signIn(gus);
    const upgraded = await stored();
    expect(isOutdated(upgraded)).toBe(false);
    await product.signIn(gus);
    expect(await stored()).toBe(upgraded);
    const records = await product.records(globex.organization.id, 'auth.password_upgraded');
    expect(records).toMatchObject([{ outcome: 'success', actor: { id: globex.user.id } }]);
  });
});

describe('a password that was given once', () => {
  it('lets nobody in before it is changed, and the challenge works once', async () => {
    const added = expectStatus(
      await product.post(
        `/orgs/${admin.organization.id}/members`,
        { email: 'new@acme.example', name: 'New', role: 'viewer' },
        { token: admin.accessToken },
      ),
      201,
    );
    const ask = { email: 'new@acme.example', password: added.password };
    const challenge = async (): Promise<string> =>
      expectStatus(await login(ask), 401, 'auth.password_change_required').data.challenge.id;
    const change = (challengeId: string, newPassword: string): Promise<Answered> =>
      product.post('/auth/password/change-required', { challengeId, newPassword });
    expectStatus(await change(await challenge(), added.password), 400, 'auth.password_unchanged');
    const id = await challenge();
    const changed = expectStatus(await change(id, 'a lasting new password'), 200);
    expect(changed.user.email).toBe('new@acme.example');
    expectStatus(await change(id, 'another new password'), 401, 'auth.invalid_challenge');
    expectStatus(await login(ask), 401, 'auth.invalid_credentials');
    await product.signIn({ ...ask, password: 'a lasting new password' });
    expectStatus(await change('pcc_made-up', 'another new password'), 401, 'auth.invalid_challenge');
  });

  it('can no longer be changed by its challenge after ten minutes', async () => {
    await product.change('UPDATE passwords SET must_change = true WHERE user_id = $1', [adaId]);
    const refused = await login({ email: ada.email, password: ada.password, organization: 'acme' });
    const { id } = expectStatus(refused, 401, 'auth.password_change_required').data.challenge;
    await product.change(`UPDATE challenges SET expires_at = expires_at - interval '10 minutes'`);
    const late = { challengeId: id, newPassword: 'another new password' };
    expectStatus(await product.post('/auth/password/change-required', late), 401, 'auth.invalid_challenge');
    await product.change('UPDATE passwords SET must_change = false WHERE user_id = $1', [adaId]);
  });
});
