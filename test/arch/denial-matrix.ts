import { strict as assert } from 'node:assert';
import {
  asksForCaller,
  fitsKind,
  OWN,
  type Permission,
  permissionNames,
  PLATFORM,
  type Route,
} from '#access';
import { newId } from '#kernel';
import type { Answer, Harness, Org, Person } from '../kit/harness.ts';

/** The request of one cell and how it must end. */
export interface Cell {
  readonly token?: string;
  /** The organization its path names. */
  readonly orgId: string;
  readonly status: number;
  readonly code: string;
  /** The permission that the refusal must name. */
  readonly permission?: string;
  /** Whose log must hold the evidence, and under which actor. */
  readonly log: Org;
  readonly actor: string;
}

/** One way to be somebody who must not pass. A route has no cell of an attack, one, or one per permission. */
export interface Attack {
  readonly name: string;
  readonly cells: (harness: Harness, route: Route) => Promise<Cell[]>;
}

/**
 * Who must be refused is read from the path too, not only from the declaration: a path that names an organization
 * is for that organization, whatever its access word says. So a wrong declaration cannot excuse itself.
 */
export function namesOrg(route: Route): boolean {
  return route.parameters.includes('orgId');
}

export function isGuarded(route: Route): boolean {
  return asksForCaller(route.rule) || namesOrg(route) || route.rule === undefined;
}

function permissionsOf({ rule }: Route): readonly Permission[] {
  return rule?.word === 'access' ? rule.permissions : [];
}

function isPlatforms({ rule }: Route): boolean {
  return rule?.word === 'access' && rule.org === PLATFORM;
}

/** Everything that can be held in a tenant, or in the platform organization. */
export const everything = (kind: 'tenant' | 'platform'): Permission[] =>
  permissionNames.filter((name) => fitsKind(name, kind));

const allBut = (permission: Permission, kind: 'tenant' | 'platform'): Permission[] =>
  everything(kind).filter((name) => name !== permission);

/**
 * A cell for somebody who can be told, or could once, in an organization of the test. Whose credential it was is
 * `proven` where it is right but ended: then their own organization hears of it, else the platform.
 */
function byPerson(
  prepare: (harness: Harness, person: Person) => Promise<string>,
  code: string,
  proven?: 'as a person' | 'as a key',
): Attack['cells'] {
  return async (harness, route) => {
    if (!isGuarded(route)) return [];
    const person = await harness.person(harness.tenant, everything('tenant'));
    const token = await prepare(harness, person);
    const by =
      proven === undefined
        ? { log: harness.platform, actor: 'anonymous' }
        : { log: person.org, actor: proven === 'as a person' ? person.userId : idOfKey(token) };
    return [{ token, orgId: harness.tenant.id, status: 401, code, ...by }];
  };
}

/** The UUID in `pck_<32 hex>_…`. */
function idOfKey(key: string): string {
  return key.slice(4, 36).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function withToken(token: string | undefined, code: string): Attack['cells'] {
  return async ({ tenant, platform }, route) =>
    isGuarded(route)
      ? [{ ...(token && { token }), orgId: tenant.id, status: 401, code, log: platform, actor: 'anonymous' }]
      : [];
}

/** One cell for each permission the route asks: held is everything but that. */
function withoutPermission(
  make: (
    harness: Harness,
    org: Org,
    held: Permission[],
    all: Permission[],
  ) => Promise<{ token: string; actor: string }>,
): Attack['cells'] {
  return async (harness, route) => {
    const org = isPlatforms(route) ? harness.platform : harness.tenant;
    const kind = isPlatforms(route) ? 'platform' : 'tenant';
    const cells: Cell[] = [];
    for (const permission of permissionsOf(route)) {
      const made = await make(harness, org, allBut(permission, kind), everything(kind));
      const refused = { status: 403, code: 'access.denied', permission };
      cells.push({ ...made, ...refused, orgId: harness.tenant.id, log: org });
    }
    return cells;
  };
}

const unsigned = (() => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none', typ: 'at+jwt' })}.${part({ aud: 'portcullis', sub: newId(), sid: newId() })}.`;
})();

export const attacks: readonly Attack[] = [
  { name: 'nobody', cells: withToken(undefined, 'auth.credential_missing') },
  { name: 'a malformed token', cells: withToken('not-a-token', 'auth.invalid_token') },
  { name: 'an unsigned token', cells: withToken(unsigned, 'auth.invalid_token') },
  {
    name: 'an expired token',
    cells: byPerson((harness, person) => harness.token(person, { expired: true }), 'auth.token_expired'),
  },
  {
    name: 'a token signed by a foreign key',
    cells: byPerson((harness, person) => harness.foreignToken(person), 'auth.invalid_token'),
  },
  {
    name: 'a revoked session',
    cells: byPerson(
      async (harness, person) => {
        await harness.revokeSession(person);
        return harness.token(person);
      },
      'auth.session_ended',
      'as a person',
    ),
  },
  {
    name: 'a disabled membership',
    cells: byPerson(
      async (harness, person) => {
        const disable = `UPDATE memberships SET status = 'disabled' WHERE org_id = $1 AND user_id = $2`;
        await harness.change(person.org, (tx) => tx.query(disable, [person.org.id, person.userId]));
        return harness.token(person);
      },
      'auth.session_ended',
      'as a person',
    ),
  },
  {
    name: 'a disabled account',
    cells: byPerson(
      async (harness, person) => {
        const disable = `UPDATE users SET status = 'disabled' WHERE id = $1`;
        await harness.change(person.org, (tx) => tx.query(disable, [person.userId]));
        return harness.token(person);
      },
      'auth.session_ended',
      'as a person',
    ),
  },
  {
    name: 'a revoked API key',
    cells: byPerson(
      async (harness, person) => {
        const { id, key } = await harness.apiKey(person, everything('tenant'));
        await harness.revokeKey(person, id);
        return key;
      },
      'auth.invalid_api_key',
      'as a key',
    ),
  },
  {
    name: 'an API key with another secret',
    cells: byPerson(async (harness, person) => {
      const { id, key } = await harness.apiKey(person, everything('tenant'));
      const change = `UPDATE api_keys SET digest = 'another' WHERE id = $1`;
      await harness.change(person.org, (tx) => tx.query(change, [id]));
      return key;
    }, 'auth.invalid_api_key'),
  },
  {
    name: 'a stranger who may do everything in their own organization',
    cells: async (harness, route) => {
      if (!namesOrg(route) && !isPlatforms(route)) return [];
      const org = await harness.org();
      const stranger = await harness.person(org, everything('tenant'));
      const at = { token: await harness.token(stranger), orgId: harness.tenant.id };
      const by = { log: org, actor: stranger.userId };
      const [permission] = permissionsOf(route);
      return isPlatforms(route)
        ? [{ ...at, ...by, status: 403, code: 'access.denied', ...(permission && { permission }) }]
        : [{ ...at, ...by, status: 404, code: 'access.not_found' }];
    },
  },
  {
    name: 'a platform operator in a tenant’s organization',
    cells: async (harness, route) => {
      if (!namesOrg(route) || isPlatforms(route)) return [];
      const operator = await harness.person(harness.platform, everything('platform'));
      const at = { token: await harness.token(operator), orgId: harness.tenant.id };
      const by = { log: harness.platform, actor: operator.userId };
      return [{ ...at, ...by, status: 404, code: 'access.not_found' }];
    },
  },
  {
    name: 'a member without the permission',
    cells: withoutPermission(async (harness, org, held) => {
      const member = await harness.person(org, held);
      return { token: await harness.token(member), actor: member.userId };
    }),
  },
  {
    name: 'an API key without the permission',
    cells: withoutPermission(async (harness, org, held, all) => {
      const { id, key } = await harness.apiKey(await harness.person(org, all), held);
      return { token: key, actor: id };
    }),
  },
  {
    name: 'an API key whose owner has lost the permission',
    cells: withoutPermission(async (harness, org, held, all) => {
      const { id, key } = await harness.apiKey(await harness.person(org, held), all);
      return { token: key, actor: id };
    }),
  },
  {
    name: 'a suspended organization',
    cells: async (harness, route) => {
      if (!isGuarded(route)) return [];
      const org = await harness.org();
      const member = await harness.person(org, everything('tenant'));
      await harness.suspend(org);
      const at = { token: await harness.token(member), orgId: org.id, log: org, actor: member.userId };
      // The platform's routes ask first which organization it is; the platform itself is never suspended.
      const [permission] = permissionsOf(route);
      return isPlatforms(route)
        ? [{ ...at, status: 403, code: 'access.denied', ...(permission && { permission }) }]
        : [{ ...at, status: 403, code: 'access.org_suspended' }];
    },
  },
];

let calls = 0;

/** Each call from an address of its own, so that no refusal is coalesced with another. */
export function nextAddress(): string {
  calls += 1;
  return `10.${(calls >> 16) & 255}.${(calls >> 8) & 255}.${calls & 255}`;
}

/** The path with this organization in it, and a new id for every other parameter. */
export function pathOf(route: Route, orgId: string): string {
  return route.path.replaceAll(/:(\w+)/g, (_, name: string) =>
    name === 'orgId' ? orgId : name === 'kind' ? 'auth' : newId(),
  );
}

/** Plays one attack against these routes. Answers how many cells there were and what was wrong, in words. */
export async function play(
  harness: Harness,
  attack: Attack,
  routes: readonly Route[],
): Promise<{ cells: number; problems: string[] }> {
  const played: { at: string; cell: Cell; answer: Answer; route: Route }[] = [];
  for (const route of routes) {
    for (const cell of await attack.cells(harness, route)) {
      const answer = await harness.call(route.method, pathOf(route, cell.orgId), {
        token: cell.token,
        ip: nextAddress(),
      });
      played.push({ at: `${route.method} ${route.path} × ${attack.name}`, cell, answer, route });
    }
  }
  const evidence = await denials(
    harness,
    played.map(({ answer }) => answer.headers['x-request-id'] ?? ''),
  );
  const problems = played.flatMap(({ at, cell, answer, route }) => {
    const record = evidence.get(answer.headers['x-request-id'] ?? '');
    return [...answerProblems(cell, answer), ...recordProblems(cell, route, record)].map(
      (problem) => `${at}: ${problem}`,
    );
  });
  return { cells: played.length, problems };
}

export function answerProblems(cell: Cell, { status, headers, body, text }: Answer): string[] {
  if (status !== cell.status || body?.code !== cell.code) {
    return [`answered ${status} ${body?.code ?? text.slice(0, 80)} and not ${cell.status} ${cell.code}`];
  }
  const problems: string[] = [];
  if (!String(headers['content-type']).startsWith('application/problem+json')) problems.push('is no problem');
  if (body.status !== status || body.requestId !== headers['x-request-id'])
    problems.push('tells another story');
  if (status === 401 && !headers['www-authenticate']) problems.push('has no WWW-Authenticate');
  const permission = body.data?.permission as unknown;
  if (permission !== cell.permission) problems.push(`names ${String(permission)}, not ${cell.permission}`);
  return problems;
}

interface Leaf {
  org: string;
  actor: { id: string };
  action: string;
  outcome: string;
  target: { type: string; id: string };
  request: { id: string; route: string };
  changes?: { permission?: { to?: string } };
}

export function recordProblems(cell: Cell, route: Route, leaf: Leaf | undefined): string[] {
  if (!leaf) return ['left no record'];
  const expected = {
    org: cell.log.id,
    actor: cell.actor,
    action: 'access.denied',
    outcome: 'denied',
    target: `${route.method} ${route.path}`,
    permission: cell.permission,
  };
  const found = {
    org: leaf.org,
    actor: leaf.actor.id,
    action: leaf.action,
    outcome: leaf.outcome,
    target: leaf.target.id,
    permission: leaf.changes?.permission?.to,
  };
  try {
    assert.deepEqual(found, expected);
    return [];
  } catch {
    return [`is recorded as ${JSON.stringify(found)} and not ${JSON.stringify(expected)}`];
  }
}

/** The records of these requests in all logs, as far as they are sealed into a position. */
export async function denials(harness: Harness, requestIds: string[]): Promise<Map<string, Leaf>> {
  const rows = await harness.sql(
    `SELECT e.leaf FROM portcullis.audit_events e
       JOIN portcullis.audit_positions p ON p.org_id = e.org_id AND p.event_id = e.id
      WHERE e.leaf::jsonb->'request'->>'id' = ANY ($1)`,
    [requestIds],
  );
  const leaves = rows.map((row) => JSON.parse(String(row['leaf'])) as Leaf);
  return new Map(leaves.map((leaf) => [leaf.request.id, leaf]));
}

/** The declaration of a route as one line of text. */
export function declarationOf({ method, path, rule, goesOn }: Route): string {
  const readOnly = goesOn === undefined ? '' : ` | goes on while read-only: ${goesOn}`;
  if (rule?.word !== 'access') return `${method} ${path} | ${rule?.word} | ${rule?.why}${readOnly}`;
  const org = rule.org === PLATFORM || rule.org === OWN ? rule.org : `:${rule.org}`;
  const open = rule.open === undefined ? '' : ` | may be opened: ${rule.open}`;
  return `${method} ${path} | ${rule.permissions.join(' and ')} | ${org}${open}${readOnly}`;
}
