import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultCatalogue } from '#kernel';
import { RouteCatalogue } from '#access';
import { type Sample, startSample } from '../../test/kit/sample-app.ts';

let sample: Sample;
// The document is JSON; its parts are looked at as such.
let document: any;

beforeAll(async () => {
  sample = await startSample();
  document = (await sample.app.inject('/api/v1/openapi.json')).json();
});
afterAll(() => sample.app.close());

/** Every `$ref` within. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, held]) => (key === '$ref' ? [String(held)] : references(held)));
}

function operations(): [string, string, any][] {
  return Object.entries<Record<string, any>>(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): [string, string, any] => [path, method, operation]),
  );
}

describe('the OpenAPI document', () => {
  it('has every route of the catalogue and nothing else', () => {
    const expected = sample.app
      .get(RouteCatalogue, { strict: false })
      .routes.map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, '{$1}')}`);
    expect(expected.length).toBeGreaterThan(8);
    expect(
      operations()
        .map(([path, method]) => `${method} ${path}`)
        .sort(),
    ).toEqual(expected.sort());
  });

  it('holds together: references, ids, parameters, responses', () => {
    expect(document.openapi).toBe('3.1.0');
    for (const reference of references(document)) {
      const found = reference
        .slice(2)
        .split('/')
        .reduce((at: any, part) => at?.[part], document);
      expect(found, reference).toBeDefined();
    }
    const ids = operations().map(([, , operation]) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [path, method, operation] of operations()) {
      const at = `${method} ${path}`;
      expect(operation.summary, at).not.toBe('');
      const inPath = operation.parameters.filter((one: any) => one.in === 'path');
      expect(
        inPath.map((one: any) => `{${one.name}}`),
        at,
      ).toEqual(path.match(/\{\w+\}/g) ?? []);
      for (const parameter of operation.parameters) expect(parameter.schema, at).toBeDefined();
      for (const [status, response] of Object.entries<any>(operation.responses)) {
        expect(status, at).toMatch(/^[2-5]\d\d$/);
        expect(response.description, at).not.toBe('');
        if (status >= '400') expect(Object.keys(response.content), at).toEqual(['application/problem+json']);
      }
      for (const name of operation.security.flatMap((one: object) => Object.keys(one))) {
        expect(document.components.securitySchemes[name], at).toBeDefined();
      }
    }
    expect(JSON.stringify(document)).not.toContain('"nullable"');
  });

  it('says who may call: public routes need no credential, the others name theirs', () => {
    const { get: open } = document.paths['/api/v1/things/{thingId}'];
    expect(open).toMatchObject({ security: [], 'x-access': { word: 'public', why: 'a sample' } });
    expect(open.responses['401']).toBeUndefined();
    const { get: guarded } = document.paths['/api/v1/things/all'];
    expect(guarded.security).toEqual([{ bearer: [] }, { apiKey: [] }]);
    expect(guarded['x-permission']).toContain('audit:export');
    expect(JSON.stringify(guarded.responses['403'])).toContain('access.denied');
    expect(guarded.responses['401']).toBeDefined();
  });

  it('describes bodies, queries and answers by the rules they are checked with', () => {
    const { post, get } = document.paths['/api/v1/things'];
    expect(post.requestBody.content['application/json'].schema).toEqual({
      $ref: '#/components/schemas/MakeThing',
    });
    expect(Object.keys(post.responses)).toEqual(
      expect.arrayContaining(['201', '400', '409', '413', '415', '503']),
    );
    expect(JSON.stringify(post.responses['409'])).toContain('sample.conflict');
    const { MakeThing, ThingPage, ThingView } = document.components.schemas;
    expect(MakeThing.additionalProperties).toBe(false);
    expect(MakeThing.required).toEqual(['name']);
    expect(MakeThing.properties.name).toMatchObject({
      type: 'string',
      minLength: 1,
      maxLength: 20,
      examples: ['Blue'],
    });
    expect(MakeThing.properties.parentId).toMatchObject({ type: ['string', 'null'], format: 'uuid' });
    expect(MakeThing.properties.members).toMatchObject({
      items: { $ref: '#/components/schemas/Member' },
      maxItems: 3,
    });
    expect(ThingPage.properties.items.items).toEqual({ $ref: '#/components/schemas/ThingView' });
    expect(ThingView.properties.passwordHash).toBeUndefined();
    const limit = get.parameters.find((one: any) => one.name === 'limit');
    expect(limit).toMatchObject({
      in: 'query',
      required: false,
      schema: { type: 'integer', minimum: 1, maximum: 100 },
    });
  });

  it('lists every fault code', () => {
    expect(document.components.schemas.Problem.properties.code.enum).toEqual(
      faultCatalogue().map(({ code }) => code),
    );
  });
});

describe('the docs page', () => {
  it.each([
    ['/api/docs', 'text/html; charset=utf-8'],
    ['/api/docs/faults', 'text/html; charset=utf-8'],
    ['/api/docs/start.js', 'text/javascript; charset=utf-8'],
    ['/api/docs/swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
    ['/api/docs/swagger-ui.css', 'text/css; charset=utf-8'],
    ['/api/v1/openapi.json', 'application/json; charset=utf-8'],
  ])('serves %s itself', async (url, type) => {
    const answer = await sample.app.inject(url);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toContain(type.split(';')[0]);
    expect(answer.body.length).toBeGreaterThan(100);
    // JSON of the API is rendered by nothing.
    const policy = expect.stringContaining("default-src 'none'") as unknown;
    expect(answer.headers['content-security-policy']).toEqual(
      url.startsWith('/api/v1/') ? undefined : policy,
    );
  });

  it('names no other host', async () => {
    expect((await sample.app.inject('/api/docs')).body).not.toMatch(/https?:\/\//);
    expect((await sample.app.inject('/api/docs')).headers['content-security-policy']).not.toMatch(/https?:/);
  });

  it('has a place for every fault, where the type of a problem points', async () => {
    const { body } = await sample.app.inject('/api/docs/faults');
    for (const { code } of faultCatalogue()) expect(body).toContain(`<tr id="${code}">`);
  });
});
