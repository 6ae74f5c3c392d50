import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Permission, permissionNames, permissions, type Route } from '#access';
import { newId } from '#kernel';
import { type Answer, Harness, type Org, type Person } from '../kit/harness.ts';
import { rolloutsGrantNothing } from './rollout-grants.ts';
import { everything } from './denial-matrix.ts';

/**
 * T14: nobody makes anybody hold what they do not hold themselves. For every permission of the catalogue, somebody
 * who holds everything but it tries every route there is to give it, to themselves and to others, or to take it from
 * those who have it. Each attempt is refused with the right code and leaves every row as it was.
 */
let harness: Harness;

beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness.stop());

/** One organization in which `permission` is held by some and not by the one who tries. */
interface Stage {
  readonly org: Org;
  readonly permission: Permission;
  /** Holds everything but it, by a custom role. */
  readonly manager: Person;
  /** Holds nothing. */
  readonly other: Person;
  /** Holds nothing but it. */
  readonly holder: Person;
  /** A disabled membership of somebody who would hold it. */
  readonly disabled: Person;
  readonly managersRole: string;
  readonly othersRole: string;
  readonly holdersRole: { id: string; name: string };
  /** The same, of nobody. */
  readonly spareRole: string;
  /** A key of an owner that holds it. */
  readonly keyId: string;
  /** A service account of an owner, with such a key. */
  readonly accountId: string;
}

async function stage(org: Org, permission: Permission, kind: 'tenant' | 'platform'): Promise<Stage> {
  const but = everything(kind).filter((name) => name !== permission);
  const [manager, other, holder, disabled, owner] = [
    await harness.person(org, but),
    await harness.person(org, []),
    await harness.person(org, [permission]),
    await harness.person(org, [permission]),
    await harness.person(org, 'owner'),
  ];
  const spareRole = newId();
  await harness.change(org, async (tx) => {
    await tx.query(`UPDATE memberships SET status = 'disabled' WHERE org_id = $1 AND user_id = $2`, [
      org.id,
      disabled.userId,
    ]);
    const role = 'INSERT INTO roles (org_id, id, name, permissions) VALUES ($1, $2, $3, $4)';
    await tx.query(role, [org.id, spareRole, spareRole, [permission]]);
  });
  const { id: keyId } = await harness.apiKey(owner, [permission]);
  const accountId = await accountOf(owner, permission);
  const [managersRole, othersRole, holdersRole] = [
    await roleOf(manager),
    await roleOf(other),
    await roleOf(holder),
  ];
  return {
    org,
    permission,
    manager,
    other,
    holder,
    disabled,
    spareRole,
    keyId,
    accountId,
    managersRole: managersRole.id,
    othersRole: othersRole.id,
    holdersRole,
  };
}

/** A service account of the person, with a key that holds the permission. */
async function accountOf(owner: Person, permission: Permission): Promise<string> {
  const accountId = newId();
  const { id: keyId } = await harness.apiKey(owner, [permission]);
  await harness.change(owner.org, async (tx) => {
    await tx.query('INSERT INTO service_accounts (org_id, id, name, owner_id) VALUES ($1, $2, $3, $4)', [
      owner.org.id,
      accountId,
      accountId,
      owner.userId,
    ]);
    await tx.query('UPDATE api_keys SET service_account_id = $2 WHERE id = $1', [keyId, accountId]);
  });
  return accountId;
}

async function roleOf({ org, userId }: Person): Promise<{ id: string; name: string }> {
  const [row] = await harness.sql(
    `SELECT r.id, r.name FROM portcullis.memberships m JOIN portcullis.roles r ON r.id = m.role_id
      WHERE m.org_id = $1 AND m.user_id = $2`,
    [org.id, userId],
  );
  return row as { id: string; name: string };
}

interface Attempt {
  readonly route: string;
  readonly path?: (on: Stage) => Record<string, string>;
  readonly body?: (on: Stage) => object;
}

const MEMBER = 'PATCH /api/v1/orgs/:orgId/members/:userId';
const ROLE = 'PATCH /api/v1/orgs/:orgId/roles/:roleId';
const email = (): string => `${newId()}@x.example`;

const attempts: Record<string, Attempt> = {
  'makes a role of it': {
    route: 'POST /api/v1/orgs/:orgId/roles',
    body: ({ permission }) => ({ name: newId(), permissions: [permission] }),
  },
  'adds it to their own role': {
    route: ROLE,
    path: ({ managersRole }) => ({ roleId: managersRole }),
    body: ({ permission }) => ({ permissions: [permission] }),
  },
  'adds it to another’s role': {
    route: ROLE,
    path: ({ othersRole }) => ({ roleId: othersRole }),
    body: ({ permission }) => ({ permissions: [permission] }),
  },
  'gives themselves a role that has it': {
    route: MEMBER,
    path: ({ manager }) => ({ userId: manager.userId }),
    body: ({ holdersRole }) => ({ roleId: holdersRole.id }),
  },
  'gives another a role that has it, by its name': {
    route: MEMBER,
    path: ({ other }) => ({ userId: other.userId }),
    body: ({ holdersRole }) => ({ role: holdersRole.name }),
  },
  'gives themselves the owner’s role': {
    route: MEMBER,
    path: ({ manager }) => ({ userId: manager.userId }),
    body: () => ({ role: 'owner' }),
  },
  'enables a membership that has it': {
    route: MEMBER,
    path: ({ disabled }) => ({ userId: disabled.userId }),
    body: () => ({ status: 'active' }),
  },
  'adds a member with it': {
    route: 'POST /api/v1/orgs/:orgId/members',
    body: ({ holdersRole }) => ({ email: email(), name: 'x', roleId: holdersRole.id }),
  },
  'invites somebody to it': {
    route: 'POST /api/v1/orgs/:orgId/invitations',
    body: ({ holdersRole }) => ({ email: email(), role: holdersRole.name }),
  },
  'makes a key of it': {
    route: 'POST /api/v1/orgs/:orgId/api-keys',
    body: ({ permission }) => ({ name: newId(), permissions: [permission] }),
  },
  'takes over a key that has it': {
    route: 'POST /api/v1/orgs/:orgId/api-keys/:keyId/rotate',
    path: ({ keyId }) => ({ keyId }),
    body: () => ({ overlapSeconds: 0 }),
  },
  'hands a service account over to who holds it': {
    route: 'PATCH /api/v1/orgs/:orgId/service-accounts/:accountId',
    path: ({ accountId }) => ({ accountId }),
    body: ({ holder }) => ({ ownerId: holder.userId }),
  },
  'hands an ownership on that is not theirs': {
    route: 'POST /api/v1/orgs/:orgId/transfer-ownership',
    body: ({ other }) => ({ userId: other.userId }),
  },
  'takes it out of a role': {
    route: ROLE,
    path: ({ holdersRole }) => ({ roleId: holdersRole.id }),
    body: () => ({ permissions: [] }),
  },
  'deletes a role that has it': {
    route: 'DELETE /api/v1/orgs/:orgId/roles/:roleId',
    path: ({ spareRole }) => ({ roleId: spareRole }),
  },
  'gives who has it a role without': {
    route: MEMBER,
    path: ({ holder }) => ({ userId: holder.userId }),
    body: ({ othersRole }) => ({ roleId: othersRole }),
  },
  'removes a member who has it': {
    route: 'DELETE /api/v1/orgs/:orgId/members/:userId',
    path: ({ holder }) => ({ userId: holder.userId }),
  },
};

/** Routes that change something and cannot make anybody hold a permission. Each says why; new ones must too. */
const grantNothing: Record<string, string> = {
  'POST /api/v1/orgs/:orgId/surfaces': 'what is desired of a surface elsewhere',
  'PATCH /api/v1/orgs/:orgId/surfaces/:surfaceId': 'the same',
  'POST /api/v1/orgs/:orgId/authorities': 'whose word counts; to give it, a key needs fact:write besides',
  'PUT /api/v1/orgs/:orgId/surfaces/:surfaceId/facts/:kind': 'what was observed',
  'POST /api/v1/platform/system-state': 'takes changes from everybody, and gives back the same',
  'PATCH /api/v1/orgs/:orgId': 'a name',
  'PATCH /api/v1/orgs/:orgId/policy': 'what everybody must prove, not what anybody may',
  'POST /api/v1/orgs': 'another organization, of which the platform’s permission makes them the maker',
  'POST /api/v1/orgs/:orgId/suspend': 'takes everything from everybody, and gives back the same',
  'POST /api/v1/orgs/:orgId/resume': 'the same',
  'POST /api/v1/orgs/:orgId/service-accounts': 'holds nothing without a key',
  'POST /api/v1/orgs/:orgId/members/:userId/password-reset':
    'a link for the person; not for those who hold more, and shown to the admin only without a mail server',
  'POST /api/v1/orgs/:orgId/sessions/revoke': 'takes away',
  'POST /api/v1/orgs/:orgId/audit/erasures': 'takes values out of the log',
  'POST /api/v1/platform/audit-erasures': 'takes values out of logs',
  'PUT /api/v1/orgs/:orgId/audit/retention': 'how long events are kept',
  'PUT /api/v1/orgs/:orgId/audit/hold': 'that they are kept',
  'POST /api/v1/platform/audit-forks/:organizationId/acknowledge': 'that a log goes on',
  'POST /api/v1/platform/audit-keys/rotate': 'how checkpoints are signed',
  'POST /api/v1/platform/key-peppers/rotate': 'how keys are kept, not what they may do',
  'POST /api/v1/platform/signing-keys/rotate': 'how tokens are signed, not what they open',
  'PATCH /api/v1/users/:userId': 'takes everything from a person; sessions and keys do not come back',
  'POST /api/v1/orgs/:orgId/secrets': 'a value, which opens nothing here',
  'POST /api/v1/orgs/:orgId/audit/sinks': 'says where the log goes; gives nobody anything to do',
  'PATCH /api/v1/orgs/:orgId/audit/sinks/:sinkId': 'the same',
  'POST /api/v1/orgs/:orgId/audit/sinks/:sinkId/test': 'the same',
  'POST /api/v1/orgs/:orgId/audit/sinks/:sinkId/replay': 'the same',
  'POST /api/v1/orgs/:orgId/integrations/gitea': 'from where events are taken; gives nobody anything to do',
  'PATCH /api/v1/orgs/:orgId/integrations/gitea/:giteaHookId': 'the same',
  'POST /api/v1/orgs/:orgId/integrations/gitea/:giteaHookId/reconcile': 'the same',
  'PATCH /api/v1/orgs/:orgId/secrets/:secretId': 'what is told of a value',
  'PUT /api/v1/orgs/:orgId/secrets/:secretId/rotation':
    'how the product writes a value, which opens nothing here',
  'POST /api/v1/orgs/:orgId/secrets/:secretId/rotate': 'the same, now',
  'POST /api/v1/orgs/:orgId/secrets/:secretId/versions': 'a value, which opens nothing here',
  'POST /api/v1/orgs/:orgId/secrets/:secretId/versions/delete': 'hides a value',
  'POST /api/v1/orgs/:orgId/secrets/:secretId/undelete': 'shows it again to who may see it',
  'POST /api/v1/orgs/:orgId/secrets/:secretId/destroy': 'erases a value',
  'POST /api/v1/orgs/:orgId/secrets/:secretId/reveal': 'reads a value, by a permission of its own',
  'POST /api/v1/orgs/:orgId/secrets/search-digest': 'the same',
  'POST /api/v1/orgs/:orgId/events/dead-letters/retry': 'sends again what was to be sent',
  'POST /api/v1/orgs/:orgId/capabilities': 'a manifest, which asks and gets nothing',
  'POST /api/v1/orgs/:orgId/capabilities/:capabilityId/admit':
    'holds no permission by itself; who admits it must hold all that it asks for (capabilities.http.spec.ts)',
  'POST /api/v1/orgs/:orgId/capabilities/:capabilityId/activate': 'the same',
  'POST /api/v1/orgs/:orgId/capabilities/:capabilityId/quarantine': 'takes away',
  'POST /api/v1/orgs/:orgId/capabilities/:capabilityId/revoke': 'the same',
  'POST /api/v1/platform/master-key/rewrap': 'how secrets are kept, not who may see them',
  ...rolloutsGrantNothing,
};

function call(on: Stage, { route, path, body }: Attempt, token: string): Promise<Answer> {
  const [method = '', pattern = ''] = route.split(' ');
  const ids: Record<string, string> = { orgId: on.org.id, ...path?.(on) };
  return harness.call(
    method,
    pattern.replaceAll(/:(\w+)/g, (_, name: string) => ids[name] ?? name),
    {
      token,
      ...(body && { body: body(on) }),
    },
  );
}

/** Every row that says who may what. */
async function authority({ org }: Stage): Promise<unknown[]> {
  const tables = ['roles', 'memberships', 'invitations', 'service_accounts', 'api_keys'];
  const rows = tables.map(
    (table) => `SELECT '${table}' AS name, t::text AS row FROM portcullis.${table} t WHERE org_id = $1`,
  );
  return harness.sql(`${rows.join(' UNION ALL ')} ORDER BY 1, 2`, [org.id]);
}

const tenants = everything('tenant');
const platforms = permissionNames.filter((name) => !tenants.includes(name));

/** Tries everything with one credential. Answers what is wrong with how it ended, in words. */
async function problemsOf(on: Stage, token: string, besides: string[] = []): Promise<string[]> {
  const before = await authority(on);
  const problems: string[] = [];
  for (const [name, attempt] of Object.entries(attempts)) {
    const { status, body, text } = await call(on, attempt, token);
    const code = `${status} ${String(body?.code)}`;
    // The one permission that is missing is the one that every refusal must name.
    const named = body?.data?.permission === on.permission;
    const right =
      (named && ['403 org.grant_ceiling', '403 access.denied'].includes(code)) || besides.includes(code);
    if (!right) problems.push(`who holds all but ${on.permission} ${name}: ${text.slice(0, 160)}`);
  }
  const changed = JSON.stringify(await authority(on)) !== JSON.stringify(before);
  return changed ? [...problems, 'rows have changed'] : problems;
}

describe('the grant ceiling', () => {
  it.each([...tenants, ...platforms])('holds for %s, whatever a person tries', async (permission) => {
    const kind = tenants.includes(permission) ? 'tenant' : 'platform';
    const on = await stage(kind === 'tenant' ? await harness.org() : harness.platform, permission, kind);
    const token = await harness.token(on.manager);
    expect(await problemsOf(on, token)).toEqual([]);
  });

  it.each([...tenants, ...platforms])(
    'holds for %s, whatever a key of an owner tries',
    async (permission) => {
      const kind = tenants.includes(permission) ? 'tenant' : 'platform';
      const on = await stage(kind === 'tenant' ? await harness.org() : harness.platform, permission, kind);
      const but = everything(kind).filter((name) => name !== permission);
      const { key } = await harness.apiKey(await harness.person(on.org, 'owner'), but);
      // What wants a fresh proof is not for keys at all.
      expect(await problemsOf(on, key, ['403 auth.sessions_only'])).toEqual([]);
    },
  );

  it('is what refuses: an owner does every one of these things', async () => {
    const refused: string[] = [];
    for (const [name, attempt] of Object.entries(attempts)) {
      const on = await stage(await harness.org(), 'audit:read', 'tenant');
      const owner = await harness.person(on.org, 'owner');
      const before = JSON.stringify(await authority(on));
      const { status, text } = await call(on, attempt, await harness.token(owner));
      if (status >= 300) refused.push(`${name}: ${text.slice(0, 160)}`);
      if (JSON.stringify(await authority(on)) === before) refused.push(`${name}: nothing has changed`);
    }
    expect(refused).toEqual([]);
  });

  it('holds when an invitation is accepted whose inviter has lost what it gives', async () => {
    const wrong: string[] = [];
    for (const permission of tenants) {
      const org = await harness.org();
      const inviter = await harness.person(org, everything('tenant'));
      const holder = await harness.person(org, [permission]);
      const { id: roleId } = await roleOf(holder);
      const answer = await harness.call('POST', `/api/v1/orgs/${org.id}/invitations`, {
        token: await harness.token(inviter),
        body: { email: email(), roleId },
      });
      const but = everything('tenant').filter((name) => name !== permission);
      const { id: inviters } = await roleOf(inviter);
      await harness.change(org, (tx) =>
        tx.query('UPDATE roles SET permissions = $2 WHERE id = $1', [inviters, but]),
      );
      const body = {
        token: answer.body.token as string,
        name: 'x',
        password: 'slow green harbour candle 4',
      };
      const { status, body: problem } = await harness.call('POST', '/api/v1/auth/invitations/accept', {
        body,
      });
      if (status !== 401 || problem.code !== 'org.invalid_invitation') wrong.push(`${permission}: ${status}`);
    }
    expect(wrong).toEqual([]);
  });

  it('is tried on every route that changes something, or the route says why it grants nothing', () => {
    const nameOf = ({ method, path }: Route): string => `${method} ${path}`;
    const changing = harness.routes.filter(
      ({ method, rule }) => rule?.word === 'access' && !['GET', 'DELETE'].includes(method),
    );
    const tried = new Set(Object.values(attempts).map(({ route }) => route));
    expect(
      changing
        .map(nameOf)
        .filter((name) => !tried.has(name))
        .sort(),
    ).toEqual(Object.keys(grantNothing).sort());
    expect(tried.size).toBeGreaterThanOrEqual(10);
    expect(Object.keys(permissions).length).toBe(tenants.length + platforms.length);
  });
});
