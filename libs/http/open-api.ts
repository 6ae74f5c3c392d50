import { type INestApplication, Injectable } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { asksForCaller, type Route, RouteCatalogue } from '#access';
import { faultCatalogue, type FaultMaker } from '#kernel';
import { componentOf, fieldSchema, fieldsOf, type JsonSchema, type ViewClass } from './fields.ts';
import { parameterSchema } from './input-pipe.ts';
import { PROBLEM_TYPE, statusOf } from './problem.ts';
import { takesIdempotencyKey, usualFaults } from './usual-faults.ts';

type Operation = Record<string, unknown>;

/** The document of the whole API (OpenAPI 3.1), made when first asked for: it costs nothing at start. */
@Injectable()
export class OpenApi {
  private app: INestApplication | undefined;
  private made: string | undefined;

  constructor(private readonly catalogue: RouteCatalogue) {}

  /** Called once by createHttpApp: @nestjs/swagger reads the application itself. */
  attach(app: INestApplication): void {
    this.app = app;
  }

  /** As JSON text: one and the same for every reader. */
  json(): string {
    this.made ??= JSON.stringify(this.document());
    return this.made;
  }

  document(): OpenAPIObject {
    if (!this.app) throw new Error('the OpenAPI document needs an application made by createHttpApp');
    return documentOf(this.app, this.catalogue.routes);
  }
}

/**
 * What @nestjs/swagger reads from the decorators, and over it what only the route catalogue knows: the access
 * word, the permission, the faults and the exact schemas of bodies, queries and answers.
 */
function documentOf(app: INestApplication, routes: readonly Route[]): OpenAPIObject {
  const frame = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Portcullis')
    .setDescription('A fail-closed, multi-tenant security control plane.')
    .setVersion('1')
    .addServer('/')
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', description: 'An access token, or an API key.' },
      'bearer',
    )
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'An API key.' }, 'apiKey')
    .build();
  const document = SwaggerModule.createDocument(app, frame, { operationIdFactory: operationId });
  const paths = document.paths as Record<string, Record<string, Operation>>;
  const schemas: Record<string, unknown> = { Problem: problemSchema() };
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    const method = route.method.toLowerCase();
    const item = (paths[path] ??= {});
    item[method] = { ...item[method], ...operationOf(route) };
    for (const type of classesOf(route)) addComponent(schemas, type);
  }
  document.components = { ...document.components, schemas: schemas as never };
  return document;
}

/** `OrgsController.list` -> `orgsList`. Generated clients name their methods by it. */
function operationId(controller: string, handler: string): string {
  const base = controller.replace(/Controller$/, '');
  return base.charAt(0).toLowerCase() + base.slice(1) + handler.charAt(0).toUpperCase() + handler.slice(1);
}

function operationOf(route: Route): Operation {
  const { answers, rule } = route;
  const body = route.inputs.find(({ from }) => from === 'body');
  return {
    operationId: operationId(route.controller, route.handlerName),
    summary: answers?.description || `${route.method} ${route.path}`,
    tags: [operationId(route.controller, '')],
    security: asksForCaller(rule) ? [{ bearer: [] }, { apiKey: [] }] : [],
    'x-access': rule && {
      word: rule.word,
      ...(rule.word === 'access' ? { org: rule.org } : { why: rule.why }),
    },
    ...(rule?.word === 'access' && { 'x-permission': rule.permissions }),
    parameters: parametersOf(route),
    ...(body && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: reference(body.type as ViewClass) } },
      },
    }),
    responses: responsesOf(route),
  };
}

function parametersOf(route: Route): Operation[] {
  const inPath = route.parameters.map((name) => ({
    name,
    in: 'path',
    required: true,
    schema: parameterSchema(route, name),
  }));
  const query = route.inputs
    .filter(({ from }) => from === 'query')
    .flatMap(({ type }) => [...fieldsOf(type as object).values()]);
  const inQuery = query.map((field) => {
    const { description, ...schema } = fieldSchema(field, reference);
    return {
      name: field.name,
      in: 'query',
      required: field.options.optional !== true,
      ...(description !== undefined && { description }),
      schema,
    };
  });
  return [...inPath, ...inQuery, ...(takesIdempotencyKey(route) ? [IDEMPOTENCY_KEY] : [])];
}

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'Repeat a request with the same key when its answer was lost: it is not done again and answers the same.',
  schema: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[\\x21-\\x7e]+$' },
};

function responsesOf(route: Route): Record<string, Operation> {
  const { answers } = route;
  const responses: Record<string, Operation> = {};
  if (answers) {
    const content: Record<string, unknown> = {};
    if (answers.view) content['application/json'] = { schema: reference(answers.view) };
    for (const type of [answers.contentType, ...answers.otherTypes]) {
      if (type !== undefined) content[type.split(';')[0] ?? ''] = { schema: { type: 'string' } };
    }
    responses[answers.status] = {
      description: answers.description || 'Done.',
      headers: {
        'x-request-id': { schema: { type: 'string' }, description: 'The id of this request in every log.' },
      },
      ...(Object.keys(content).length > 0 && { content }),
    };
    if (answers.conditional) responses[304] = { description: 'The client has what would be sent.' };
  }
  for (const [status, makers] of faultsByStatus(route)) responses[status] = problemResponse(makers);
  return responses;
}

/** The declared faults and those that every route of its kind may answer. */
function faultsByStatus(route: Route): Map<string, FaultMaker[]> {
  const found = new Map<string, FaultMaker[]>();
  for (const maker of new Set([...(route.answers?.faults ?? []), ...usualFaults(route)])) {
    const status = String(statusOf(maker));
    found.set(status, [...(found.get(status) ?? []), maker]);
  }
  return found;
}

function problemResponse(makers: readonly FaultMaker[]): Operation {
  return {
    description: makers.map(({ code, message }) => `\`${code}\`: ${message}`).join('\n\n'),
    content: {
      [PROBLEM_TYPE]: {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            {
              type: 'object',
              properties: { code: { type: 'string', enum: makers.map(({ code }) => code) } },
            },
          ],
        },
      },
    },
  };
}

function problemSchema(): JsonSchema {
  return {
    type: 'object',
    description: 'RFC 9457 problem details.',
    required: ['type', 'title', 'status', 'code', 'requestId'],
    properties: {
      type: { type: 'string', format: 'uri-reference' },
      title: { type: 'string' },
      status: { type: 'integer', minimum: 400, maximum: 599 },
      code: { type: 'string', enum: faultCatalogue().map(({ code }) => code) },
      requestId: { type: 'string' },
      data: { type: 'object', additionalProperties: true },
      errors: {
        type: 'array',
        items: {
          type: 'object',
          required: ['path', 'message'],
          properties: { path: { type: 'string' }, message: { type: 'string' } },
        },
      },
    },
  };
}

function classesOf({ inputs, answers }: Route): ViewClass[] {
  const bodies = inputs.filter(({ from }) => from === 'body').map(({ type }) => type as ViewClass);
  return answers?.view ? [...bodies, answers.view] : bodies;
}

/** The schema of a class and of every class within it. Two classes of one name would be one in a client: refused. */
function addComponent(schemas: Record<string, unknown>, type: ViewClass): void {
  const schema = componentOf(type);
  const known = schemas[type.name];
  if (known !== undefined) {
    if (JSON.stringify(known) === JSON.stringify(schema)) return;
    throw new Error(`two unlike classes are named ${type.name}; the OpenAPI document needs one name each`);
  }
  schemas[type.name] = schema;
  for (const { nested } of fieldsOf(type).values()) if (nested) addComponent(schemas, nested());
}

function reference(type: ViewClass): JsonSchema {
  return { $ref: `#/components/schemas/${type.name}` };
}
