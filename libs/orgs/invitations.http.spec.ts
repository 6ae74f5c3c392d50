import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answered,
  type AppInProcess,
  expectStatus,
  owner,
  type SignedIn,
  startApp,
} from '../../test/kit/app-in-process.ts';

/** Invitations: bound to an address, single use, and only as good as the inviter and the policy still are. */
let app: AppInProcess;
let admin: SignedIn;
let org = '';
let people = 0;

beforeAll(async () => {
  app = await startApp();
  admin = await app.signIn(owner, 'acme');
  org = `/orgs/${admin.organization.id}`;
});
afterAll(() => app.close());

interface Invitation {
  id: string;
  token: string;
}

const personOf = (name: string, domain = 'people.example') => ({
  email: `${name}-${(people += 1)}@${domain}`,
  name,
  password: `slow green harbour ${name} 4`,
});
const as = ({ accessToken }: SignedIn): { token: string } => ({ token: accessToken });
const patch = (path: string, body: unknown, who = admin): Promise<Answered> =>
  app.ask('PATCH', path, { body, ...as(who) });
const invite = async (email: string, role = 'viewer', token = admin.accessToken): Promise<Invitation> =>
  expectStatus(await app.post(`${org}/invitations`, { email, role }, { token }), 201);
const accept = (token: string, { name, password }: { name: string; password: string }): Promise<Answered> =>
  app.post('/auth/invitations/accept', { token, name, password });

/** A member of acme who is signed in to it. */
async function member(role: string): Promise<SignedIn> {
  const person = personOf('member');
  await app.addMember(admin, person, role);
  return app.signIn(person, 'acme');
}
/** A refusal is written when its answer is on its way. */
async function lastRefusal(
  orgId = admin.organization.id,
): Promise<{ reason?: string; target: { id: string } }> {
  return (await app.records(orgId)).findLast(({ outcome }) => outcome === 'denied');
}

describe('an invitation', () => {
  it('makes the account of the address it was made for, whatever the person says', async () => {
    const ada = personOf('ada');
    const { token, id } = await invite(ada.email.toUpperCase());
    const { user } = expectStatus(await accept(token, ada), 201);
    expect(user).toMatchObject({ email: ada.email, name: 'ada' });
    const record = (await app.records(admin.organization.id, 'member.added')).at(-1);
    expect(record).toMatchObject({ target: { id: user.id }, changes: { invitation: { to: id } } });
    expect(record.personal['changes.email.to'].value).toBe(ada.email);
    expect(record.leaf).not.toContain(ada.email);
  });

  it('is accepted once: of fifty at the same moment one makes a member', async () => {
    const ada = personOf('ada');
    const { token } = await invite(ada.email);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => accept(token, { ...ada, name: `ada ${(people += 1)}` })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const others = answers.filter(({ status }) => status !== 201).map(({ body }) => body.code as string);
    // Those who found no room to hash, or no connection, were told to come again; that is no acceptance either.
    const refusals = ['org.invalid_invitation', 'auth.busy', 'database.unavailable'];
    expect(others.filter((code) => !refusals.includes(code))).toEqual([]);
    expect(others).toContain('org.invalid_invitation');
    const [row] = await app.sql(
      `SELECT count(*)::int AS n FROM portcullis.memberships m JOIN portcullis.users u ON u.id = m.user_id
        WHERE u.email = $1`,
      [ada.email],
    );
    expect(row?.['n']).toBe(1);
    expectStatus(await accept(token, ada), 401, 'org.invalid_invitation');
  });

  it('of somebody with an account takes their own password, and no other', async () => {
    const slug = `tenant-${(people += 1)}`;
    const person = personOf('elsewhere');
    await app.addTenant(slug, person);
    const { token } = await invite(person.email);
    const wrong = { name: 'Mallory', password: 'hollow silver meadow wind 7' };
    expectStatus(await accept(token, wrong), 401, 'org.invalid_invitation');
    expect((await lastRefusal()).reason).toBe('wrong_password');
    expectStatus(await app.post('/auth/login', { ...wrong, name: undefined, email: person.email }), 401);
    const { user } = expectStatus(await accept(token, { name: 'Another', password: person.password }), 201);
    expect(user.name).toBe(person.name);
    await app.signIn(person, 'acme');
  });

  it('ends by itself after a week, and before where it is taken back', async () => {
    const [late, taken] = [personOf('late'), personOf('taken')];
    const old = await invite(late.email);
    await app.change(
      `UPDATE portcullis.invitations SET expires_at = now() - interval '1 second' WHERE id = $1`,
      [old.id],
    );
    expectStatus(await accept(old.token, late), 401, 'org.invalid_invitation');
    const revoked = await invite(taken.email);
    expectStatus(await app.delete(`${org}/invitations/${revoked.id}`, as(admin)), 204);
    expectStatus(await accept(revoked.token, taken), 401, 'org.invalid_invitation');
    expectStatus(await app.delete(`${org}/invitations/${revoked.id}`, as(admin)), 404);
    const { expiresAt } = expectStatus(
      await app.post(`${org}/invitations`, { email: late.email, role: 'viewer' }, as(admin)),
      201,
    );
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(7 * 86_400_000 - 60_000);
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(7 * 86_400_000);
  });

  it('opens nothing for a person whose account is disabled', async () => {
    const slug = `tenant-${(people += 1)}`;
    const person = personOf('disabled');
    const { user } = await app.addTenant(slug, person);
    const { token } = await invite(person.email);
    const operator = await app.signIn(owner, 'platform');
    expectStatus(await patch(`/users/${user.id}`, { status: 'disabled' }, operator), 200);
    expectStatus(await accept(token, person), 401, 'org.invalid_invitation');
    expect((await lastRefusal()).reason).toBe('account_disabled');
    expectStatus(await patch(`/users/${user.id}`, { status: 'active' }, operator), 200);
    expectStatus(await accept(token, person), 201);
  });

  it('is the same for an address that is known and one that is not', async () => {
    const known = expectStatus(
      await app.post(`${org}/invitations`, { email: owner.email, role: 'viewer' }, as(admin)),
      201,
    );
    const unknown = expectStatus(
      await app.post(`${org}/invitations`, { email: personOf('x').email, role: 'viewer' }, as(admin)),
      201,
    );
    expect(Object.keys(known)).toEqual(Object.keys(unknown));
    expect(known.token).toHaveLength(unknown.token.length);
  });
});

describe('an invitation whose inviter', () => {
  /** How each inviter loses what the invitation stands on. */
  const losses: Record<string, (inviter: SignedIn) => Promise<unknown>> = {
    'was removed': (inviter) => app.delete(`${org}/members/${inviter.user.id}`, as(admin)),
    left: (inviter) => app.post('/auth/leave', undefined, as(inviter)),
    'may not invite any more': (inviter) => patch(`${org}/members/${inviter.user.id}`, { role: 'viewer' }),
    'has a disabled membership': (inviter) =>
      patch(`${org}/members/${inviter.user.id}`, { status: 'disabled' }),
    'has a disabled account': async (inviter) =>
      patch(`/users/${inviter.user.id}`, { status: 'disabled' }, await app.signIn(owner, 'platform')),
  };

  it.each(Object.keys(losses))('%s is refused, and the log says why', async (loss) => {
    const inviter = await member('admin');
    const ada = personOf('ada');
    const { token, id } = await invite(ada.email, 'viewer', inviter.accessToken);
    const { status } = (await losses[loss]!(inviter)) as Answered;
    expect(status).toBeLessThan(300);
    expectStatus(await accept(token, ada), 401, 'org.invalid_invitation');
    expect(await lastRefusal()).toMatchObject({ reason: 'inviter_lost_authority', target: { id } });
    expect(await app.sql('SELECT 1 FROM portcullis.users WHERE email = $1', [ada.email])).toEqual([]);
  });

  it('lost one of the permissions that the role gives is refused, and accepted once they hold it again', async () => {
    const [path, permissions] = [`${org}/roles`, ['member:create', 'org:read', 'audit:read']];
    const narrow = { name: 'recruiter', permissions };
    const role = expectStatus(await app.post(path, narrow, as(admin)), 201);
    expectStatus(await app.post(path, { name: 'reader', permissions: ['audit:read'] }, as(admin)), 201);
    const inviter = await member('recruiter');
    const ada = personOf('ada');
    const { token } = await invite(ada.email, 'reader', inviter.accessToken);
    expectStatus(await patch(`${path}/${role.id}`, { permissions: ['member:create', 'org:read'] }), 200);
    expectStatus(await accept(token, ada), 401, 'org.invalid_invitation');
    expectStatus(await patch(`${path}/${role.id}`, { permissions }), 200);
    expectStatus(await accept(token, ada), 201);
  });

  it('gave a role that has grown since is refused', async () => {
    const path = `${org}/roles`;
    const growing = { name: 'growing', permissions: ['org:read'] };
    const role = expectStatus(await app.post(path, growing, as(admin)), 201);
    const inviter = await member('admin');
    const ada = personOf('ada');
    const { token } = await invite(ada.email, 'growing', inviter.accessToken);
    // Only owners hold it.
    expectStatus(await patch(`${path}/${role.id}`, { permissions: ['org:read', 'org:delete'] }), 200);
    expectStatus(await accept(token, ada), 401, 'org.invalid_invitation');
    expect((await lastRefusal()).reason).toBe('inviter_lost_authority');
  });

  it('is an API key is as good as the key and its owner', async () => {
    const keyOwner = await member('admin');
    const permissions = ['member:create', 'org:read'];
    const made = await Promise.all([1, 2, 3].map(() => app.apiKey(keyOwner, { permissions })));
    const role = { name: 'newcomer', permissions: ['org:read'] };
    expectStatus(await app.post(`${org}/roles`, role, as(admin)), 201);
    const [ada, bo, cy] = [personOf('ada'), personOf('bo'), personOf('cy')];
    const [one, two, three] = [
      await invite(ada.email, 'newcomer', made[0]!.key),
      await invite(bo.email, 'newcomer', made[1]!.key),
      await invite(cy.email, 'newcomer', made[2]!.key),
    ];
    expectStatus(await accept(one.token, ada), 201);
    expectStatus(await app.delete(`${org}/api-keys/${made[1]!.id}`, as(admin)), 204);
    expectStatus(await accept(two.token, bo), 401, 'org.invalid_invitation');
    expectStatus(await patch(`${org}/members/${keyOwner.user.id}`, { role: 'viewer' }), 200);
    expectStatus(await accept(three.token, cy), 401, 'org.invalid_invitation');
  });

  it('is a platform operator lasts as long as they may create organizations', async () => {
    const person = personOf('operator');
    const platform = await app.signIn(owner, 'platform');
    await app.addMember(platform, person, 'admin');
    const operator = await app.signIn(person, 'platform');
    const create = async (): Promise<{ invitation: Invitation; founder: ReturnType<typeof personOf> }> => {
      const founder = personOf('founder');
      const slug = `tenant-${(people += 1)}`;
      const body = { name: slug, slug, owner: { email: founder.email } };
      return { ...expectStatus(await app.post('/orgs', body, as(operator)), 201), founder };
    };
    const [first, second] = [await create(), await create()];
    expectStatus(await accept(first.invitation.token, first.founder), 201);
    const path = `/orgs/${platform.organization.id}/members/${operator.user.id}`;
    expectStatus(await patch(path, { role: 'viewer' }, platform), 200);
    expectStatus(await accept(second.invitation.token, second.founder), 401, 'org.invalid_invitation');
  });
});

it('where no mail can be sent, the inviter is told so, and has the link', async () => {
  const request = { email: personOf('ada').email, role: 'viewer' };
  const answer = expectStatus(await app.post(`${org}/invitations`, request, as(admin)), 201);
  expect(answer).toMatchObject({ mailed: false, url: expect.stringContaining(answer.token) as string });
});

describe('the domains that a policy allows', () => {
  const allow = async (...domains: string[]): Promise<void> => {
    expectStatus(await patch(`${org}/policy`, { allowedEmailDomains: domains }), 200);
  };
  const outside = (answer: Answered, path: string): void => {
    const { errors } = expectStatus(answer, 400, 'org.email_domain_not_allowed');
    expect(errors.map((one: { path: string }) => one.path)).toEqual([path]);
  };

  it('bind invitations and new members, say which field, and leave members alone', async () => {
    const [insider, stranger, open] = [
      personOf('in', 'acme.example'),
      personOf('out', 'acme.example.evil.example'),
      personOf('open'),
    ];
    const invited = await invite(open.email);
    const before = await member('viewer');
    await allow('acme.example');
    try {
      outside(
        await app.post(`${org}/invitations`, { email: stranger.email, role: 'viewer' }, as(admin)),
        'email',
      );
      const added = { email: stranger.email, name: 'x', role: 'viewer' };
      outside(await app.post(`${org}/members`, added, as(admin)), 'email');
      // Made before the policy was: the address is asked again.
      outside(await accept(invited.token, open), 'token');
      expect(await app.sql('SELECT 1 FROM portcullis.users WHERE email = $1', [open.email])).toEqual([]);
      expectStatus(await accept((await invite(insider.email.toUpperCase())).token, insider), 201);
      // Who is a member already stays.
      expectStatus(await app.get('/auth/me', as(before)), 200);
    } finally {
      await allow();
    }
    expectStatus(await accept(invited.token, open), 201);
  });
});
