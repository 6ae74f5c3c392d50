import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';

/** Who owns an organization: handed on whole or not at all, and never nobody's, whoever moves at the same time. */
let app: AppInProcess;
let people = 0;

beforeAll(async () => {
  app = await startApp();
});
afterAll(() => app.close());

const personOf = (name: string) => ({
  email: `${name}-${(people += 1)}@people.example`,
  name,
  password: `slow green harbour ${name} 4`,
});
const orgOf = (who: SignedIn): string => `/orgs/${who.organization.id}`;
const as = ({ accessToken }: SignedIn): { token: string } => ({ token: accessToken });
const patch = (path: string, body: unknown, who: SignedIn): Promise<Answered> =>
  app.ask('PATCH', path, { body, ...as(who) });
const transfer = (from: SignedIn, userId: string, role?: string): Promise<Answered> =>
  app.post(`${orgOf(from)}/transfer-ownership`, { userId, ...(role && { role }) }, as(from));

/** A new tenant: its owner, and a member for each of these roles, all signed in. */
async function tenant(...roles: string[]): Promise<SignedIn[]> {
  const slug = `tenant-${(people += 1)}`;
  const admin = await app.addTenant(slug, personOf('first'));
  const others: SignedIn[] = [];
  for (const role of roles) {
    const person = personOf('other');
    await app.addMember(admin, person, role);
    others.push(await app.signIn(person, slug));
  }
  return [admin, ...others];
}

async function rolesOf(who: SignedIn): Promise<Record<string, string>> {
  const rows = await app.sql(
    `SELECT m.user_id, r.name FROM portcullis.memberships m JOIN portcullis.roles r ON r.id = m.role_id
      WHERE m.org_id = $1 ORDER BY m.user_id`,
    [who.organization.id],
  );
  return Object.fromEntries(rows.map((row) => [row['user_id'], row['name']]));
}

/** Owners of the organization who can sign in. */
async function activeOwners(orgId: string): Promise<number> {
  const [row] = await app.sql(
    `SELECT count(*)::int AS n FROM portcullis.memberships m JOIN portcullis.roles r ON r.id = m.role_id
       JOIN portcullis.users u ON u.id = m.user_id
      WHERE m.org_id = $1 AND r.built_in = 'owner' AND m.status = 'active' AND u.status = 'active'`,
    [orgId],
  );
  return row?.['n'] as number;
}

describe('the ownership of an organization', () => {
  it('goes to another member, and the owner before takes the role they named', async () => {
    const [first, second] = (await tenant('viewer')) as [SignedIn, SignedIn];
    const after = expectStatus(await transfer(first, second.user.id, 'auditor'), 200);
    expect(after).toMatchObject({ user: { id: second.user.id }, role: { name: 'owner' }, status: 'active' });
    expect(await rolesOf(first)).toEqual({ [first.user.id]: 'auditor', [second.user.id]: 'owner' });
    // Both at their next request, with the sessions they had.
    expectStatus(await transfer(first, second.user.id), 403, 'access.denied');
    expectStatus(await app.delete(`${orgOf(second)}/members/${first.user.id}`, as(second)), 204);
    const records = await app.records(first.organization.id);
    expect(records.find(({ action }) => action === 'org.ownership_transferred')).toMatchObject({
      actor: { id: first.user.id },
      target: { type: 'user', id: second.user.id },
      changes: { role: { from: 'viewer', to: 'owner' }, previousOwner: { to: first.user.id } },
    });
    expect(records.find(({ reason }) => reason === 'ownership_transferred')).toMatchObject({
      action: 'member.updated',
      target: { id: first.user.id },
      changes: { role: { from: 'owner', to: 'auditor' } },
    });
  });

  it('leaves an admin where no role is named', async () => {
    const [first, second] = (await tenant('viewer')) as [SignedIn, SignedIn];
    expectStatus(await transfer(first, second.user.id), 200);
    expect((await rolesOf(first))[first.user.id]).toBe('admin');
  });

  it('goes to nobody who is not an active member, and then nothing has changed', async () => {
    const [first, disabled, stranger] = [...(await tenant('viewer')), (await tenant())[0]] as SignedIn[];
    expectStatus(
      await patch(`${orgOf(first!)}/members/${disabled!.user.id}`, { status: 'disabled' }, first!),
      200,
    );
    const before = await rolesOf(first!);
    expectStatus(await transfer(first!, disabled!.user.id), 409, 'org.cannot_be_owner');
    expectStatus(await transfer(first!, first!.user.id), 409, 'org.cannot_be_owner');
    expectStatus(await transfer(first!, stranger!.user.id), 404, 'org.member_not_found');
    expectStatus(await transfer(first!, disabled!.user.id, 'no such role'), 400, 'org.role_not_found');
    expect(await rolesOf(first!)).toEqual(before);
  });

  it('goes to nobody whose account the platform has disabled', async () => {
    const [first, second] = (await tenant('viewer')) as [SignedIn, SignedIn];
    const operator = await app.signIn(owner, 'platform');
    expectStatus(await patch(`/users/${second.user.id}`, { status: 'disabled' }, operator), 200);
    expectStatus(await transfer(first, second.user.id), 409, 'org.cannot_be_owner');
  });

  it('is handed on by owners only, whatever a custom role may hold', async () => {
    const [first, other] = (await tenant('viewer')) as [SignedIn, SignedIn];
    const { permissions } = expectStatus(await app.get('/auth/me', as(first)), 200);
    const everything = { name: 'everything', permissions };
    expectStatus(await app.post(`${orgOf(first)}/roles`, everything, as(first)), 201);
    const member = `${orgOf(first)}/members/${other.user.id}`;
    expectStatus(await patch(member, { role: 'everything' }, first), 200);
    expectStatus(await transfer(other, first.user.id), 403, 'org.not_owner');
    expectStatus(await patch(member, { role: 'admin' }, first), 200);
    expectStatus(await transfer(other, first.user.id), 403, 'access.denied');
  });

  it('is not handed on by a key, nor by a session that proved itself long ago', async () => {
    const [first, second] = (await tenant('viewer')) as [SignedIn, SignedIn];
    const { key } = await app.apiKey(first, { permissions: ['org:transfer'] });
    const path = `${orgOf(first)}/transfer-ownership`;
    expectStatus(await app.post(path, { userId: second.user.id }, { token: key }), 403, 'auth.sessions_only');
    app.clock.advance(301_000);
    try {
      const { accessToken } = expectStatus(
        await app.post('/auth/refresh', { refreshToken: first.refreshToken }),
        200,
      );
      const late = await app.post(path, { userId: second.user.id }, { token: accessToken });
      expectStatus(late, 401, 'auth.step_up_required');
    } finally {
      app.clock.reset();
    }
    expect((await rolesOf(first))[second.user.id]).toBe('viewer');
  });
});

describe('the last owner', () => {
  it('is not removed, demoted or disabled, and does not leave', async () => {
    const [only] = (await tenant('admin')) as [SignedIn];
    const self = `${orgOf(only)}/members/${only.user.id}`;
    expectStatus(await app.delete(self, as(only)), 409, 'org.last_owner');
    expectStatus(await patch(self, { role: 'admin' }, only), 409, 'org.last_owner');
    expectStatus(await patch(self, { status: 'disabled' }, only), 409, 'org.last_owner');
    expectStatus(await app.post('/auth/leave', undefined, as(only)), 409, 'org.last_owner');
  });

  it('is the last one too where the other’s account is disabled', async () => {
    const [first, second] = (await tenant('owner')) as [SignedIn, SignedIn];
    const operator = await app.signIn(owner, 'platform');
    expectStatus(await patch(`/users/${second.user.id}`, { status: 'disabled' }, operator), 200);
    expectStatus(await app.post('/auth/leave', undefined, as(first)), 409, 'org.last_owner');
  });

  type Move = (mine: SignedIn, other: SignedIn) => Promise<Answered>;
  const moves: Record<string, Move> = {
    'demotes the other': (mine, other) =>
      patch(`${orgOf(mine)}/members/${other.user.id}`, { role: 'viewer' }, mine),
    'demotes themselves': (mine) => patch(`${orgOf(mine)}/members/${mine.user.id}`, { role: 'viewer' }, mine),
    'disables the other’s membership': (mine, other) =>
      patch(`${orgOf(mine)}/members/${other.user.id}`, { status: 'disabled' }, mine),
    'removes the other': (mine, other) => app.delete(`${orgOf(mine)}/members/${other.user.id}`, as(mine)),
    leaves: (mine) => app.post('/auth/leave', undefined, as(mine)),
    'hands the ownership to the other': (mine, other) => transfer(mine, other.user.id, 'viewer'),
  };

  it('stays when two owners move at once: every pair of moves, both ways', async () => {
    const names = Object.keys(moves);
    const pairs = names.flatMap((one, index) => names.slice(index).map((two) => [one, two] as const));
    const both: string[] = [];
    const left: string[] = [];
    for (const [one, two] of pairs) {
      const [first, second] = (await tenant('owner')) as [SignedIn, SignedIn];
      const answers = await Promise.all([moves[one]!(first, second), moves[two]!(second, first)]);
      const shown = `${one} | ${two}: ${answers.map(({ status, body }) => `${status} ${body?.code ?? ''}`).join(', ')}`;
      if (answers.every(({ status }) => status >= 500)) both.push(shown);
      if ((await activeOwners(first.organization.id)) < 1) left.push(shown);
    }
    expect(left).toEqual([]);
    expect(both).toEqual([]);
    expect(pairs).toHaveLength(21);
  });

  it('stays in twenty rounds of two owners who remove, demote or leave at once', async () => {
    const names = ['removes the other', 'demotes the other', 'leaves', 'disables the other’s membership'];
    const refusals = new Set<string>();
    let lost = 0;
    for (let round = 0; round < 20; round += 1) {
      const move = moves[names[round % names.length]!]!;
      const [first, second] = (await tenant('owner')) as [SignedIn, SignedIn];
      const answers = await Promise.all([move(first, second), move(second, first)]);
      const won = answers.filter(({ status }) => status < 300);
      for (const { status, body } of answers) if (status >= 300) refusals.add(`${status} ${body.code}`);
      expect(won, `round ${round}`).toHaveLength(1);
      if ((await activeOwners(first.organization.id)) !== 1) lost += 1;
    }
    expect(lost).toBe(0);
    // The loser is told so, or has lost what the request needed meanwhile.
    for (const refusal of refusals) {
      expect([
        '409 org.last_owner',
        '401 database.credential_ended',
        '403 access.denied',
        '401 auth.session_ended',
        '403 org.grant_ceiling',
      ]).toContain(refusal);
    }
  });

  it('of the platform stays when its two owners disable each other’s accounts at once', async () => {
    const person = personOf('second');
    const operator = await app.signIn(owner, 'platform');
    await app.addMember(operator, person, 'owner');
    const second = await app.signIn(person, 'platform');
    for (let round = 0; round < 5; round += 1) {
      const [one, two] = [await app.signIn(owner, 'platform'), await app.signIn(person, 'platform')];
      const answers = await Promise.all([
        patch(`/users/${two.user.id}`, { status: 'disabled' }, one),
        patch(`/users/${one.user.id}`, { status: 'disabled' }, two),
      ]);
      expect(await activeOwners(operator.organization.id), `round ${round}`).toBe(1);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      const survivor = answers[0].status === 200 ? owner : person;
      const loser = survivor === owner ? second : operator;
      const again = await app.signIn(survivor, 'platform');
      expectStatus(await patch(`/users/${loser.user.id}`, { status: 'active' }, again), 200);
    }
  });
});
