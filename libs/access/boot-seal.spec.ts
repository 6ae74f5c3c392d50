import { IsString } from 'class-validator';
import { describe, expect, test } from 'vitest';
import { type AccessRule, OWN, PLATFORM } from './access-rule.ts';
import { BootSeal, routeOffences, SealError } from './boot-seal.ts';
import type { JobCatalogue, JobHandler } from './job-catalogue.ts';
import { permissionNames } from './permissions.ts';
import { SignedRequests } from './ports.ts';
import type { Route, RouteCatalogue, RouteInput } from './route-catalogue.ts';

class Schema {
  @IsString() name: string;
}
class NoSchema {
  name: string;
}

const read: AccessRule = { word: 'access', permissions: ['org:read'], org: 'orgId' };
const answers = {
  status: 200,
  view: undefined,
  contentType: undefined,
  otherTypes: [],
  conditional: false,
  faults: [],
  description: '',
};
const sound: Route = {
  method: 'GET',
  path: '/api/v1/orgs/:orgId',
  parameters: ['orgId'],
  controller: 'Sample',
  handlerName: 'read',
  handler: () => undefined,
  rule: read,
  inputs: [],
  answers,
  rawBody: undefined,
};
const param = (name: string | undefined, pipes: unknown[] = [class {}]): RouteInput => ({
  from: 'param',
  name,
  type: String,
  pipes,
});
const body = (type: unknown, name?: string): RouteInput => ({ from: 'body', name, type, pipes: [] });
const query = (type: unknown, name?: string): RouteInput => ({ ...body(type, name), from: 'query' });

describe('a declaration is sound', () => {
  test.each<[string, Partial<Route>]>([
    ['that names a permission and the organization in its path', {}],
    ['for the platform', { rule: { ...read, org: PLATFORM }, inputs: [param('orgId')] }],
    ['for the caller’s own organization', { rule: { ...read, org: OWN }, path: '/x', parameters: [] }],
    [
      'for who signs the body as it came',
      { rule: { word: 'signed', scheme: 'sample', why: 'because' }, rawBody: 9, inputs: [param('orgId')] },
    ],
    ['for everyone signed in', { rule: { word: 'signed_in', why: 'because' }, inputs: [param('orgId')] }],
    [
      'for everyone',
      { rule: { word: 'public', why: 'because', duringSetup: false }, inputs: [param('orgId')] },
    ],
    ['that reads its organization too', { inputs: [param('orgId', [])] }],
    [
      'of a summary',
      { path: '/x', parameters: [], inputs: [], rule: { ...read, org: PLATFORM, open: 'summary' } },
    ],
    ['that goes on while the system is read-only', { method: 'POST', goesOn: 'because' }],
    ['that takes a body and a query with schemas', { inputs: [body(Schema), query(Schema)] }],
  ])('%s', (_name, change) => {
    expect(routeOffences({ ...sound, ...change })).toEqual([]);
  });
});

describe('an offence is found:', () => {
  const signed: AccessRule = { word: 'signed', scheme: 'sample', why: 'because' };
  const signedIn = (why: string): AccessRule => ({ word: 'signed_in', why });
  test.each<[string, Partial<Route>, RegExp]>([
    ['no access word', { rule: undefined }, /has no access word/],
    [
      'no reason for everyone',
      { rule: { word: 'public', why: '', duringSetup: false } },
      /@public without a reason/,
    ],
    [
      'a blank for a reason',
      { rule: signedIn(' \n'), inputs: [param('orgId')] },
      /@signed_in without a reason/,
    ],
    ['a signature without the body as it came', { rule: signed, rawBody: undefined }, /@Signed and @RawBody/],
    ['a body kept for no signature', { rawBody: 9 }, /@Signed and @RawBody/],
    ['a signature over a parsed body', { rule: signed, rawBody: 9, inputs: [body(Schema)] }, /a parsed body/],
    [
      'a signature without a reason',
      { rule: { ...signed, why: '' }, rawBody: 9 },
      /@signed without a reason/,
    ],
    ['no permission', { rule: { ...read, permissions: [] } }, /names no permission/],
    [
      'an unknown permission',
      { rule: { ...read, permissions: ['org:read', 'org:explode' as never] } },
      /names the permission org:explode/,
    ],
    [
      'a permission that only every object has',
      { rule: { ...read, permissions: ['constructor' as never] } },
      /names the permission constructor/,
    ],
    [
      'an organization that the path does not hold',
      { path: '/x', parameters: [] },
      /path parameter orgId, which does not exist/,
    ],
    [
      'a path parameter that nobody reads',
      { parameters: ['orgId', 'keyId'] },
      /does not read its path parameter keyId/,
    ],
    [
      'an organization in the path that the rule does not speak of',
      { rule: { ...read, org: OWN } },
      /does not read its path parameter orgId/,
    ],
    [
      'a path parameter without a pipe',
      { parameters: ['orgId', 'keyId'], inputs: [param('keyId', [])] },
      /takes param keyId without a schema/,
    ],
    ['the whole path at once', { inputs: [param(undefined)] }, /takes param without a schema/],
    ['a body of a class without rules', { inputs: [body(NoSchema)] }, /takes body without a schema/],
    ['a body of any type', { inputs: [body(Object)] }, /takes body without a schema/],
    ['a body of an interface', { inputs: [body(undefined)] }, /takes body without a schema/],
    ['one member of a body', { inputs: [body(Schema, 'name')] }, /takes body name without a schema/],
    ['a query of a class without rules', { inputs: [query(NoSchema)] }, /takes query without a schema/],
    ['one member of a query', { inputs: [query(String, 'limit')] }, /takes query limit without a schema/],
    ['no answer', { answers: undefined }, /does not declare what it answers/],
    ['a summary of a tenant', { rule: { ...read, open: 'summary' } }, /may be opened to everyone/],
    [
      'a summary that changes something',
      { method: 'POST', path: '/x', parameters: [], rule: { ...read, org: PLATFORM, open: 'summary' } },
      /may be opened to everyone/,
    ],
    [
      'a summary that takes input',
      {
        path: '/x',
        parameters: [],
        inputs: [query(Schema)],
        rule: { ...read, org: PLATFORM, open: 'summary' },
      },
      /may be opened to everyone/,
    ],
    [
      'a change that goes on for no reason',
      { method: 'POST', goesOn: ' ' },
      /@WhileReadOnly without a reason/,
    ],
    ['a read that goes on', { goesOn: 'because' }, /@WhileReadOnly, which every read does/],
  ])('%s', (_name, change, offence) => {
    const found = routeOffences({ ...sound, ...change });
    expect(found).toContainEqual(expect.stringMatching(offence));
    expect(found[0]).toMatch(/^(GET|POST) \/\S* \(Sample\.read\) /);
  });

  test('each of a route that has many', () => {
    const found = routeOffences({ ...sound, rule: undefined, answers: undefined, inputs: [body(NoSchema)] });
    expect(found).toHaveLength(4);
  });
});

describe('the seal', () => {
  const seal = (routes: Route[], handlers: JobHandler[] = []): string[] => {
    try {
      const jobs = { handlers } as unknown as JobCatalogue;
      new BootSeal(
        { routes } as unknown as RouteCatalogue,
        jobs,
        new SignedRequests(),
      ).onApplicationBootstrap();
      return [];
    } catch (error) {
      expect(error).toBeInstanceOf(SealError);
      return (error as SealError).offenders;
    }
  };
  const all: Route = { ...sound, rule: { ...read, permissions: permissionNames } };

  test('holds where every route is sound and every permission is asked for', () => {
    expect(seal([all])).toEqual([]);
  });

  test('names each signature that nothing verifies', () => {
    const rule: AccessRule = { word: 'signed', scheme: 'sample', why: 'because' };
    expect(seal([all, { ...sound, rule, rawBody: 9, inputs: [param('orgId')] }])).toEqual([
      'GET /api/v1/orgs/:orgId (Sample.read) is signed by the scheme sample, which nothing verifies',
    ]);
  });

  test('names each job handler without an access word or a reason, and each that is one too many', () => {
    const job = (queue: string, provider: string, why?: string): JobHandler => ({
      queue: { name: queue },
      provider,
      handlerName: 'run',
      rule: why === undefined ? undefined : { word: 'unattended', why },
      run: async () => undefined,
    });
    expect(seal([all], [job('a', 'A', 'because')])).toEqual([]);
    expect(
      seal([all], [job('a', 'A'), job('b', 'B', ' '), job('c', 'C', 'because'), job('c', 'D', 'so')]),
    ).toEqual([
      'job a (A.run) has no access word: @Unattended',
      'job b (B.run) says @unattended without a reason',
      'job c (D.run) is a second handler: C.run is the first',
    ]);
  });

  test('names each permission that nothing asks for', () => {
    expect(seal([sound])).toHaveLength(permissionNames.length - 1);
    expect(seal([sound])[0]).toBe('the permission org:create is in the catalogue but no route asks for it');
  });

  test('names the offenders of all routes at once', () => {
    const offenders = seal([
      all,
      { ...sound, rule: undefined, parameters: [] },
      { ...sound, answers: undefined },
    ]);
    expect(offenders).toHaveLength(2);
    expect(new SealError(offenders).message.split('\n')).toHaveLength(3);
  });
});
