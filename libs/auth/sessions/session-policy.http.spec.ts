import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
  until,
} from '../../../test/kit/app-in-process.ts';
import { Database } from '#database';
import { newId } from '#kernel';
import { findAccount, readAccountOrgs } from '../account.store.ts';
import { Passwords } from '../passwords/passwords.ts';
import { type Opened, SessionIssuer } from './session-issuer.ts';

const member = { email: 'mia@acme.example', name: 'Mia', password: 'a long walk to the harbor 9' };

let product: AppInProcess;
let acme = '';

beforeAll(async () => {
  product = await startApp();
  const admin = await product.signIn(owner, 'acme');
  acme = admin.organization.id;
  await product.addMember(admin, member, 'viewer');
});
beforeEach(async () => {
  await product.change('DELETE FROM portcullis.org_policies');
  await product.change(
    `UPDATE portcullis.sessions SET revoked_at = now(), revoked_reason = 'test' WHERE revoked_at IS NULL`,
  );
});
afterEach(() => product.clock.reset());
afterAll(() => product.close());

const me = ({ accessToken }: SignedIn): Promise<Answered> => product.get('/auth/me', { token: accessToken });
const isLive = async (who: SignedIn): Promise<boolean> => (await me(who)).status === 200;
const seconds = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / 1_000;

async function setPolicy(session: object): Promise<void> {
  const { accessToken: token } = await product.signIn(owner, 'acme');
  expectStatus(await product.ask('PATCH', `/orgs/${acme}/policy`, { token, body: { session } }), 200);
}

/** Opens a session as every sign-in does, without the password: what takes long, and hides how they meet. */
function openSession(before: () => Promise<void> = async () => undefined): Promise<Opened> {
  return product.app.get(Database).acrossOrgs('sign_in', async (tx) => {
    const person = await findAccount(tx, member);
    const [org] = await readAccountOrgs(tx, person!.id);
    const facts = { id: newId(), method: 'POST', route: '/test' };
    const proof = { authMethods: ['pwd'] };
    const issuer = product.app.get(SessionIssuer, { strict: false });
    const opened = await issuer.open(tx, { person: person!, org: org!, proof, facts });
    await before();
    return opened;
  });
}

/** Runs `other` while a session is made and not committed; resolves when both have ended. */
async function besideOpening(other: () => Promise<unknown>): Promise<Opened> {
  let started: Promise<unknown> | undefined;
  const opened = await openSession(async () => {
    let ended = false;
    started = other().finally(() => (ended = true));
    // It ends, or it waits for what this transaction holds.
    await until(async () => {
      const waiting = await product.sql(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return ended || waiting.length > 0;
    });
  });
  await started;
  return opened;
}

/** How many live sessions a person has in the organization. */
async function liveOf({ email }: { email: string }, orgId = acme): Promise<number> {
  const [row] = await product.sql(
    `SELECT count(*) FROM portcullis.sessions s JOIN portcullis.users u ON u.id = s.user_id
      WHERE u.email = $1 AND s.org_id = $2 AND s.revoked_at IS NULL`,
    [email, orgId],
  );
  return Number(row?.['count']);
}

describe('the lifetimes of a session', () => {
  it('are those of the organization’s policy, and of no other’s', async () => {
    await setPolicy({ idleSeconds: 600, absoluteSeconds: 1_800 });
    const { session } = expectStatus(await me(await product.signIn(owner, 'acme')), 200);
    expect(seconds(session.createdAt, session.expiresAt)).toBe(1_800);
    expect(seconds(session.lastSeenAt, session.idleExpiresAt)).toBe(600);
    const elsewhere = expectStatus(await me(await product.signIn(owner, 'platform')), 200).session;
    expect(seconds(elsewhere.createdAt, elsewhere.expiresAt)).toBe(43_200);
  });

  it('get shorter at once with the policy, for those who are signed in too; never longer', async () => {
    const [mine, other, elsewhere] = [
      await product.signIn(member),
      await product.signIn(owner, 'acme'),
      await product.signIn(owner, 'platform'),
    ];
    expectStatus(await me(mine), 200);
    await setPolicy({ idleSeconds: 300, absoluteSeconds: 900 });
    for (const one of [mine, other]) {
      const { session } = expectStatus(await me(one), 200);
      expect(seconds(session.createdAt, session.expiresAt)).toBe(900);
      expect(seconds(session.lastSeenAt, session.idleExpiresAt)).toBe(300);
    }
    const { session } = expectStatus(await me(elsewhere), 200);
    expect(seconds(session.createdAt, session.expiresAt)).toBe(43_200);
    const changed = await product.records(acme, 'policy.changed');
    // The session that set it as well.
    expect(changed.at(-1).changes.sessions).toEqual({ to: 3 });
    await setPolicy({ idleSeconds: 3_600, absoluteSeconds: 43_200 });
    const after = expectStatus(await me(mine), 200).session;
    expect(seconds(after.createdAt, after.expiresAt)).toBe(900);
    expect((await product.records(acme, 'policy.changed')).at(-1).changes.sessions).toBeUndefined();
  });

  it('end a session that is older than the new policy allows, its refresh token too', async () => {
    const old = await product.signIn(member);
    const fresh = await product.signIn(member);
    await product.change(
      `UPDATE portcullis.sessions SET created_at = created_at - interval '20 minutes' WHERE id = $1`,
      [old.session.id],
    );
    expect(await isLive(old)).toBe(true);
    await setPolicy({ absoluteSeconds: 900 });
    expectStatus(await me(old), 401, 'auth.session_ended');
    expectStatus(await product.post('/auth/refresh', { refreshToken: old.refreshToken }), 401);
    expect(await isLive(fresh)).toBe(true);
  });

  it('are tightened for a session too that is being made while the policy changes', async () => {
    const { session } = await besideOpening(() => setPolicy({ absoluteSeconds: 600 }));
    const [row] = await product.sql(
      'SELECT extract(epoch FROM expires_at - created_at) AS seconds FROM portcullis.sessions WHERE id = $1',
      [session.id],
    );
    expect(Number(row?.['seconds'])).toBe(600);
  });
});

describe('T9: the limit of sessions a person may have', () => {
  it('ends the oldest on every further sign-in, with a record that says why', async () => {
    await setPolicy({ maxConcurrent: 2 });
    const [first, second] = [await product.signIn(member), await product.signIn(member)];
    expect([await isLive(first), await isLive(second)]).toEqual([true, true]);
    const third = await product.signIn(member);
    expectStatus(await me(first), 401, 'auth.session_ended');
    expectStatus(await product.post('/auth/refresh', { refreshToken: first.refreshToken }), 401);
    expect([await isLive(second), await isLive(third)]).toEqual([true, true]);
    expect((await product.records(acme, 'session.revoked')).at(-1)).toMatchObject({
      reason: 'session_limit',
      actor: { id: third.user.id, sessionId: third.session.id },
      target: { id: first.session.id },
      changes: { user: { to: third.user.id } },
    });
  });

  it('leaves others alone, and the same person elsewhere', async () => {
    const elsewhere = [await product.signIn(owner, 'platform'), await product.signIn(owner, 'platform')];
    const other = await product.signIn(member);
    await setPolicy({ maxConcurrent: 1 });
    const here = [await product.signIn(owner, 'acme'), await product.signIn(owner, 'acme')];
    expect(await Promise.all(here.map(isLive))).toEqual([false, true]);
    expect(await Promise.all([other, ...elsewhere].map(isLive))).toEqual([true, true, true]);
  });

  it('counts no session that has ended by itself', async () => {
    await setPolicy({ maxConcurrent: 2 });
    const kept = await product.signIn(member);
    const idle = await product.signIn(member);
    await product.change(
      `UPDATE portcullis.session_activity SET last_seen_at = now() - interval '2 hours' WHERE session_id = $1`,
      [idle.session.id],
    );
    await product.signIn(member);
    expect(await isLive(kept)).toBe(true);
  });

  it('is kept by what a lower limit finds too many of', async () => {
    const many = [];
    for (let n = 0; n < 5; n += 1) many.push(await product.signIn(member));
    await setPolicy({ maxConcurrent: 2 });
    expect(await Promise.all(many.map(isLive))).toEqual(many.map(() => true));
    many.push(await product.signIn(member));
    expect(await Promise.all(many.map(isLive))).toEqual([false, false, false, false, true, true]);
  });

  it('holds on sign-ins at the same moment', async () => {
    await setPolicy({ maxConcurrent: 3 });
    const all = await Promise.all(Array.from({ length: 10 }, () => product.signIn(member)));
    await Promise.all(Array.from({ length: 10 }, () => openSession()));
    expect(await liveOf(member)).toBe(3);
    all.push(await product.signIn(member), await product.signIn(member), await product.signIn(member));
    expect(await liveOf(member)).toBe(3);
    expect((await Promise.all(all.map(isLive))).filter(Boolean)).toHaveLength(3);
  });

  it('holds on two sign-ins of which neither sees what the other made', async () => {
    await setPolicy({ maxConcurrent: 1 });
    await besideOpening(() => openSession());
    expect(await liveOf(member)).toBe(1);
  });

  it('holds where a password must be changed first', async () => {
    await setPolicy({ maxConcurrent: 1 });
    const before = await product.signIn(member);
    await product.change(
      `UPDATE portcullis.passwords SET must_change = true
        WHERE user_id = (SELECT id FROM portcullis.users WHERE email = $1)`,
      [member.email],
    );
    const { email, password } = member;
    const { data } = expectStatus(await product.post('/auth/login', { email, password }), 401);
    expect(await isLive(before)).toBe(true);
    member.password = 'another walk, another harbor 10';
    const request = { challengeId: data.challenge.id, newPassword: member.password };
    const after = expectStatus(await product.post('/auth/password/change-required', request), 200);
    expect([await isLive(before), await isLive(after)]).toEqual([false, true]);
    expect(await liveOf(member)).toBe(1);
  });

  it('is not touched by a refresh, which makes no session', async () => {
    await setPolicy({ maxConcurrent: 2 });
    const [first, second] = [await product.signIn(member), await product.signIn(member)];
    for (const { refreshToken } of [first, second])
      expectStatus(await product.post('/auth/refresh', { refreshToken }), 200);
    expect(await Promise.all([first, second].map(isLive))).toEqual([true, true]);
  });
});

describe('a session that is being made while all of the person’s are ended', () => {
  it('is ended with them', async () => {
    const asking = await product.signIn(member);
    const { session } = await besideOpening(async () => {
      expectStatus(await product.delete('/auth/sessions', { token: asking.accessToken }), 200);
    });
    const rows = await product.sql('SELECT revoked_reason FROM portcullis.sessions WHERE id = $1', [
      session.id,
    ]);
    expect(rows).toEqual([{ revoked_reason: 'revoked_by_owner' }]);
    expect(await isLive(asking)).toBe(true);
  });

  it('is not made from one of those that were ended', async () => {
    const from = await product.signIn(owner, 'acme');
    const admin = await product.signIn(owner, 'acme');
    // Admitted by the guard and by the database, and then too late.
    const database = product.app.get(Database);
    const acrossOrgsFor = database.acrossOrgsFor.bind(database);
    const late = vi.spyOn(database, 'acrossOrgsFor').mockImplementationOnce((reason, caller, work) =>
      acrossOrgsFor(reason, caller, async (tx) => {
        expectStatus(await product.delete('/auth/sessions', { token: admin.accessToken }), 200);
        return work(tx);
      }),
    );
    const answer = await product.post(
      '/auth/switch',
      { organization: 'platform' },
      { token: from.accessToken },
    );
    late.mockRestore();
    expectStatus(answer, 401, 'auth.session_ended');
    expect(await product.sql(`SELECT FROM portcullis.audit_events WHERE action = 'auth.switched'`)).toEqual(
      [],
    );
  });

  it('is not made with a password that was replaced since it was verified', async () => {
    const passwords = product.app.get(Passwords, { strict: false });
    const verify = passwords.verify.bind(passwords);
    const spy = vi.spyOn(passwords, 'verify').mockImplementationOnce(async (password, hash) => {
      const right = await verify(password, hash);
      await product.change(
        `UPDATE portcullis.passwords SET hash = hash || 'x', changed_at = now()
          WHERE user_id = (SELECT id FROM portcullis.users WHERE email = $1)`,
        [member.email],
      );
      return right;
    });
    const { email, password } = member;
    const answer = await product.post('/auth/login', { email, password });
    spy.mockRestore();
    expectStatus(answer, 401, 'auth.invalid_credentials');
    expect(await liveOf(member)).toBe(0);
    expect((await product.records(acme, 'auth.sign_in_refused')).at(-1).reason).toBe(
      'password_changed_meanwhile',
    );
  });
});
