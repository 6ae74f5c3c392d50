import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from '../kit/app.ts';
import { type Answer, expectAnswer } from '../kit/client.ts';
import {
  type Account,
  accountOf,
  addKey,
  addMember,
  addTenant,
  setUp,
  type SignedIn,
  signIn,
} from '../kit/tenancy.ts';

/**
 * T6, T7, T8: whatever ends what somebody may do, everything that stood on it is refused at the next request, on each
 * of three processes that had it in their cache; what stood on something else is not; and the log names the cause.
 * Every change is made by the API of one replica, and asked for at once at all of them.
 */
describe('what hangs on a right ends with it', () => {
  const replicas: Product[] = [];
  let operator: SignedIn;
  let admin: SignedIn;
  let globexOwner: SignedIn;
  let people = 0;

  beforeAll(async () => {
    const first = await startProduct();
    replicas.push(first);
    const owner = await setUp(first);
    replicas.push(await startProduct({ replicaOf: first }), await startProduct({ replicaOf: first }));
    admin = await signIn(first, owner);
    operator = await signIn(first, owner, 'platform');
    globexOwner = await signIn(first, await addTenant(first, operator, 'globex'));
  });
  afterAll(() => disposeAll(replicas));

  const as = ({ accessToken }: SignedIn): { token: string } => ({ token: accessToken });
  const orgOf = (who: SignedIn): string => `/orgs/${who.organization.id}`;
  /** Changes are made by another replica each time. */
  const some = (): Product => replicas[(people += 1) % replicas.length]!;
  const everywhere = (ask: (replica: Product) => Promise<Answer>): Promise<Answer[]> =>
    Promise.all(replicas.map((replica) => ask(replica)));
  const ended = (answers: Answer[]): string[] =>
    answers.map(({ status, body }) => `${status} ${String((body as { code?: string }).code)}`);

  const read = (token: string) => (replica: Product) => replica.api.get('/auth/me', { token });
  const write = (token: string, orgPath: string) => (replica: Product) =>
    replica.api.post(`${orgPath}/service-accounts`, { name: `robot ${(people += 1)}` }, { token });

  /** A member of two organizations, admin of both, with a session and a key in each. */
  interface Both {
    account: Account;
    here: SignedIn;
    there: SignedIn;
    hereKey: { id: string; key: string };
    thereKey: { id: string; key: string };
  }
  async function both(): Promise<Both> {
    const product = some();
    const account = await addMember(product, admin, `both-${(people += 1)}`, 'admin');
    const path = `${orgOf(globexOwner)}/members`;
    const added = { email: account.email, name: account.name, role: 'admin' };
    expectAnswer(await product.api.post(path, added, as(globexOwner)), 201);
    const [here, there] = [
      await signIn(product, account, admin.organization.slug),
      await signIn(product, account, 'globex'),
    ];
    const [hereKey, thereKey] = [
      await addKey(product, here, ['org:read']),
      await addKey(product, there, ['org:read']),
    ];
    return { account, here, there, hereKey, thereKey };
  }

  /** A member who has given the password that works once, and not yet set another. */
  async function half(): Promise<{ id: string; challengeId: string }> {
    const { email, name } = accountOf(`half-${(people += 1)}`);
    const path = `${orgOf(admin)}/members`;
    const made = await some().api.post(path, { email, name, role: 'viewer' }, as(admin));
    const { user, password } = expectAnswer<{ user: { id: string }; password: string }>(made, 201);
    const refused = await some().api.post('/auth/login', { email, password });
    const { data } = expectAnswer(refused, 401, 'auth.password_change_required');
    return { id: user.id, challengeId: data.challenge.id };
  }

  const patch = (path: string, body: unknown, who: SignedIn, status = 200): Promise<unknown> =>
    some()
      .api.patch(path, body, as(who))
      .then((answer) => expectAnswer(answer, status));
  const remove = (path: string, who: SignedIn): Promise<unknown> =>
    some()
      .api.delete(path, as(who))
      .then((answer) => expectAnswer(answer, 204));
  const post = (path: string, who: SignedIn, status: number): Promise<unknown> =>
    some()
      .api.post(path, undefined, as(who))
      .then((answer) => expectAnswer(answer, status));

  interface End {
    /** Takes the person’s place in acme away. */
    readonly by: (person: { id: string; session?: SignedIn }) => Promise<unknown>;
    /** What a live credential is answered. */
    readonly refused: string[];
    /** Whether what they have in other organizations goes too. */
    readonly elsewhere: 'lives' | 'ends';
    /** The action and reason in the log of acme, and whose they are. */
    readonly told: { action: string; reason: string };
  }

  const GONE = ['401 auth.session_ended', '401 auth.invalid_api_key'];
  const ends: Record<string, End> = {
    'the account is disabled': {
      by: ({ id }) => patch(`/users/${id}`, { status: 'disabled' }, operator),
      refused: GONE,
      elsewhere: 'ends',
      told: { action: 'session.revoked', reason: 'account_disabled' },
    },
    'the membership is disabled': {
      by: ({ id }) => patch(`${orgOf(admin)}/members/${id}`, { status: 'disabled' }, admin),
      refused: GONE,
      elsewhere: 'lives',
      told: { action: 'session.revoked', reason: 'membership_disabled' },
    },
    'the member is removed (T7)': {
      by: ({ id }) => remove(`${orgOf(admin)}/members/${id}`, admin),
      refused: GONE,
      elsewhere: 'lives',
      told: { action: 'member.removed', reason: 'member_removed' },
    },
    'the member leaves (T8)': {
      by: ({ session }) => post('/auth/leave', session!, 204),
      refused: GONE,
      elsewhere: 'lives',
      told: { action: 'member.removed', reason: 'member_left' },
    },
  };

  /** What somebody may hold at that moment, and what then must not work; a row more for whatever comes to it. */
  const held: Record<string, (person: Both) => (replica: Product) => Promise<Answer>> = {
    'an access token, to read': ({ here }) => read(here.accessToken),
    'an access token, to write': ({ here }) => write(here.accessToken, orgOf(here)),
    'an API key': ({ hereKey }) => read(hereKey.key),
    'a refresh token':
      ({ here }) =>
      (replica) =>
        replica.api.post('/auth/refresh', { refreshToken: here.refreshToken }),
    'the password':
      ({ account: { email, password } }) =>
      (replica) =>
        replica.api.post('/auth/login', { email, password, organization: admin.organization.slug }),
  };
  /** What each is refused with, where that is not what a live credential is answered. */
  const refusals: Record<string, string[]> = {
    'a refresh token': ['401 auth.invalid_refresh_token'],
    'the password': ['401 auth.invalid_credentials'],
  };

  it.each(Object.entries(ends))('T6: when %s', async (_, end) => {
    const person = await both();
    for (const token of [person.here.accessToken, person.hereKey.key, person.there.accessToken]) {
      expect((await everywhere(read(token))).map(({ status }) => status)).toEqual([200, 200, 200]);
    }
    await end.by({ id: person.here.user.id, session: person.here });
    for (const [name, use] of Object.entries(held)) {
      for (const answer of ended(await everywhere(use(person)))) {
        expect(refusals[name] ?? end.refused, name).toContain(answer);
      }
    }
    const lives = end.elsewhere === 'lives';
    for (const use of [
      read(person.there.accessToken),
      write(person.there.accessToken, orgOf(person.there)),
      read(person.thereKey.key),
    ]) {
      const statuses = (await everywhere(use)).map(({ status }) => status);
      expect(statuses.every((status) => (lives ? status < 300 : status === 401))).toBe(true);
    }
    const events = `${orgOf(admin)}/audit/events?limit=100&action=${end.told.action}`;
    const { items } = expectAnswer(await some().api.get(events, as(admin)), 200);
    const target = [person.here.user.id, person.here.session.id];
    const record = items.find((one: { target: { id: string } }) => target.includes(one.target.id));
    expect(record).toMatchObject({ outcome: 'success', reason: end.told.reason });
  });

  it.each(Object.entries(ends).filter(([name]) => !name.includes('leaves')))(
    'T6: a sign-in that waits for its next step is not gone on with when %s',
    async (_, end) => {
      for (const replica of replicas) {
        const { id, challengeId } = await half();
        await end.by({ id });
        const newPassword = accountOf('half').password;
        const answer = await replica.api.post('/auth/password/change-required', { challengeId, newPassword });
        expectAnswer(answer, 401, 'auth.invalid_challenge');
      }
    },
  );

  it('T6: nothing of a suspended organization is accepted, and of no other anything is refused', async () => {
    const person = await both();
    const path = orgOf(globexOwner);
    const key = await addKey(some(), globexOwner, ['org:read']);
    await everywhere(read(key.key));
    await post(`${path}/suspend`, operator, 200);
    for (const use of [
      read(person.there.accessToken),
      write(person.there.accessToken, path),
      read(person.thereKey.key),
      read(key.key),
    ]) {
      expect(new Set(ended(await everywhere(use)))).toEqual(new Set(['403 access.org_suspended']));
    }
    const { refreshToken } = person.there;
    const refreshed = await everywhere((replica) => replica.api.post('/auth/refresh', { refreshToken }));
    expect(refreshed.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect((await everywhere(read(person.here.accessToken))).map(({ status }) => status)).toEqual([
      200, 200, 200,
    ]);
    await post(`${path}/resume`, operator, 200);
    expect((await everywhere(read(key.key))).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('an account that is enabled again has nothing of before', async () => {
    const person = await both();
    await patch(`/users/${person.here.user.id}`, { status: 'disabled' }, operator);
    await patch(`/users/${person.here.user.id}`, { status: 'active' }, operator);
    const { here, there, hereKey, thereKey } = person;
    for (const token of [here.accessToken, there.accessToken, hereKey.key, thereKey.key]) {
      expect((await everywhere(read(token))).map(({ status }) => status)).toEqual([401, 401, 401]);
    }
    const again = await signIn(some(), person.account, 'globex');
    expect((await everywhere(read(again.accessToken))).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('a lesser role is less at the next request, for the sessions and the keys of who has it', async () => {
    const { here, there } = await both();
    const { key } = await addKey(some(), here, ['member:read', 'org:read']);
    const list = (token: string, who: SignedIn) => (replica: Product) =>
      replica.api.get(`${orgOf(who)}/members`, { token });
    expect((await everywhere(list(key, here))).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await everywhere(list(here.accessToken, here))).map(({ status }) => status)).toEqual([
      200, 200, 200,
    ]);
    await patch(`${orgOf(admin)}/members/${here.user.id}`, { role: 'viewer' }, admin);
    for (const token of [key, here.accessToken]) {
      expect(new Set(ended(await everywhere(list(token, here))))).toEqual(new Set(['403 access.denied']));
      // What the lesser role holds too is left.
      const org = await everywhere((replica) => replica.api.get(orgOf(here), { token }));
      expect(org.map(({ status }) => status)).toEqual([200, 200, 200]);
    }
    expect((await everywhere(list(there.accessToken, there))).map(({ status }) => status)).toEqual([
      200, 200, 200,
    ]);
  });

  it('a permission that a custom role loses is lost at the next request of who has the role', async () => {
    const path = `${orgOf(admin)}/roles`;
    const role = { name: `reader ${(people += 1)}`, permissions: ['member:read', 'org:read'] };
    const made = expectAnswer<{ id: string }>(await some().api.post(path, role, as(admin)), 201);
    const account = await addMember(some(), admin, `reader-${people}`, role.name);
    const member = await signIn(some(), account);
    const list = (replica: Product): Promise<Answer> =>
      replica.api.get(`${orgOf(admin)}/members`, as(member));
    expect((await everywhere(list)).map(({ status }) => status)).toEqual([200, 200, 200]);
    await patch(`${path}/${made.id}`, { permissions: ['org:read'] }, admin);
    expect(new Set(ended(await everywhere(list)))).toEqual(new Set(['403 access.denied']));
  });

  it('ownership that was handed on is the other’s at the next request', async () => {
    const account = await addMember(some(), globexOwner, `heir-${(people += 1)}`, 'viewer');
    const heir = await signIn(some(), account);
    const path = orgOf(globexOwner);
    // A permission that only owners hold; the role they name is none of the organization's, so nothing happens.
    const hand = (who: SignedIn) => (replica: Product) =>
      replica.api.post(`${path}/transfer-ownership`, { userId: who.user.id, role: 'none' }, as(who));
    expect(new Set(ended(await everywhere(hand(globexOwner))))).toEqual(new Set(['400 org.role_not_found']));
    expect(new Set(ended(await everywhere(hand(heir))))).toEqual(new Set(['403 access.denied']));
    const body = { userId: heir.user.id };
    expectAnswer(await some().api.post(`${path}/transfer-ownership`, body, as(globexOwner)), 200);
    expect(new Set(ended(await everywhere(hand(globexOwner))))).toEqual(new Set(['403 access.denied']));
    expect(new Set(ended(await everywhere(hand(heir))))).toEqual(new Set(['400 org.role_not_found']));
    const back = { userId: globexOwner.user.id };
    expectAnswer(await some().api.post(`${path}/transfer-ownership`, back, as(heir)), 200);
  });

  it('a key that is deleted, and one whose service account is, are refused; another key is not', async () => {
    const [one, other] = [
      await addKey(some(), admin, ['org:read']),
      await addKey(some(), admin, ['org:read']),
    ];
    const accounts = `${orgOf(admin)}/service-accounts`;
    const robot = { name: `robot ${(people += 1)}` };
    const account = expectAnswer<{ id: string }>(await some().api.post(accounts, robot, as(admin)), 201);
    const request = { name: 'of the robot', permissions: ['org:read'], serviceAccountId: account.id };
    const robots = expectAnswer<{ key: string }>(
      await some().api.post(`${orgOf(admin)}/api-keys`, request, as(admin)),
      201,
    );
    for (const { key } of [one, other, robots]) {
      expect((await everywhere(read(key))).map(({ status }) => status)).toEqual([200, 200, 200]);
    }
    await remove(`${orgOf(admin)}/api-keys/${one.id}`, admin);
    expect(new Set(ended(await everywhere(read(one.key))))).toEqual(new Set(['401 auth.invalid_api_key']));
    await remove(`${accounts}/${account.id}`, admin);
    expect(new Set(ended(await everywhere(read(robots.key))))).toEqual(new Set(['401 auth.invalid_api_key']));
    expect((await everywhere(read(other.key))).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('a policy that takes fewer addresses is asked at the next request, in that organization only', async () => {
    const person = await both();
    const from = (address: string, token: string) => everywhereFrom(replicas, address, token);
    const { here, there, hereKey } = person;
    for (const token of [here.accessToken, hereKey.key, there.accessToken]) {
      expect(await from('127.0.0.2', token)).toEqual([200, 200, 200]);
    }
    await patch(`${orgOf(admin)}/policy`, { allowedCidrs: ['127.0.0.1/32'] }, admin);
    try {
      for (const token of [here.accessToken, hereKey.key]) {
        expect(await from('127.0.0.2', token)).toEqual([403, 403, 403]);
        expect(await from('127.0.0.1', token)).toEqual([200, 200, 200]);
      }
      expect(await from('127.0.0.2', there.accessToken)).toEqual([200, 200, 200]);
    } finally {
      await patch(`${orgOf(admin)}/policy`, { allowedCidrs: [] }, admin);
    }
    expect(await from('127.0.0.2', here.accessToken)).toEqual([200, 200, 200]);
  });
});

/** The status of `GET /auth/me` at every replica, over a connection from this loopback address. */
function everywhereFrom(replicas: readonly Product[], address: string, token: string): Promise<number[]> {
  return Promise.all(
    replicas.map(
      ({ port }) =>
        new Promise<number>((resolve, reject) => {
          const headers = { authorization: `Bearer ${token}` };
          const path = '/api/v1/auth/me';
          const options = { host: '127.0.0.1', port, path, headers, localAddress: address, agent: false };
          const outgoing = httpRequest(options, (answer) => {
            answer.resume();
            answer.on('end', () => resolve(answer.statusCode ?? 0));
          });
          outgoing.on('error', reject);
          outgoing.end();
        }),
    ),
  );
}
