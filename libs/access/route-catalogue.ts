import { Injectable, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import type { FaultMaker } from '#kernel';
import { type AccessRule, accessRuleOf, goesOnOf } from './access-rule.ts';

/** What a route answers when it succeeds, and the faults it may answer instead. Set by `@Answers`. */
export interface AnswerDeclaration {
  readonly status: number;
  /** The class whose declared fields leave the process; undefined where there is no body or it is not JSON. */
  readonly view: (new () => object) | undefined;
  readonly contentType: string | undefined;
  /** The types of other forms of the same answer. */
  readonly otherTypes: readonly string[];
  /** Whether it answers 304 to a client that has the answer. */
  readonly conditional: boolean;
  readonly faults: readonly FaultMaker[];
  readonly description: string;
}

export const ANSWERS = 'portcullis:answers';
/** The most bytes of a body that is kept as it came. Set by `@RawBody`. */
export const RAW_BODY = 'portcullis:raw-body';

/** One input of a route: where Nest takes it from, and the class or type it is declared with. */
export interface RouteInput {
  readonly from: 'body' | 'query' | 'param';
  /** The parameter's name; undefined where the whole body, query or path is taken. */
  readonly name: string | undefined;
  readonly type: unknown;
  /** The pipes of its own that check it. */
  readonly pipes: readonly unknown[];
}

/** One HTTP route as declared by its decorators. */
export interface Route {
  readonly method: string;
  /** With the global prefix: `/api/v1/orgs/:orgId`. */
  readonly path: string;
  readonly parameters: readonly string[];
  readonly controller: string;
  readonly handlerName: string;
  readonly handler: object;
  readonly rule: AccessRule | undefined;
  /** Why it goes on while the system is read-only; undefined where it does not. */
  readonly goesOn?: string | undefined;
  readonly inputs: readonly RouteInput[];
  readonly answers: AnswerDeclaration | undefined;
  /** The most bytes of its body, where that is kept as it came. */
  readonly rawBody: number | undefined;
}

/** Nest's numbering of parameter decorators (`RouteParamtypes`, which it does not export). */
const INPUT_KINDS: Record<string, RouteInput['from']> = { 3: 'body', 4: 'query', 5: 'param' };

/** Reads every route of the application from its decorators: the seal, the OpenAPI document and tests use it. */
@Injectable()
export class RouteCatalogue {
  private list: Route[] | undefined;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  get routes(): readonly Route[] {
    this.list ??= this.read();
    return this.list;
  }

  private read(): Route[] {
    const found: Route[] = [];
    for (const wrapper of this.discovery.getControllers()) {
      const controller = wrapper.metatype as (new (...args: never[]) => object) | null;
      if (!controller) continue;
      for (const name of this.scanner.getAllMethodNames(controller.prototype as object)) {
        found.push(...readRoutes(controller, name));
      }
    }
    return found.sort((a, b) => (`${a.path} ${a.method}` < `${b.path} ${b.method}` ? -1 : 1));
  }
}

function readRoutes(controller: new (...args: never[]) => object, handlerName: string): Route[] {
  const prototype = controller.prototype as Record<string, object>;
  const handler = prototype[handlerName];
  const methodNumber =
    handler && (Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined);
  if (!handler || methodNumber === undefined) return [];
  const bases = toList(Reflect.getMetadata(PATH_METADATA, controller));
  const tails = toList(Reflect.getMetadata(PATH_METADATA, handler));
  const inputs = readInputs(controller, handlerName);
  return bases.flatMap((base) =>
    tails.map((tail) => {
      const path = joinPath(base, tail);
      return {
        method: RequestMethod[methodNumber] ?? 'ALL',
        path,
        parameters: [...path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? ''),
        controller: controller.name,
        handlerName,
        handler,
        rule: accessRuleOf(handler),
        goesOn: goesOnOf(handler),
        inputs,
        answers: Reflect.getMetadata(ANSWERS, handler) as AnswerDeclaration | undefined,
        rawBody: Reflect.getMetadata(RAW_BODY, handler) as number | undefined,
      };
    }),
  );
}

function readInputs(controller: new (...args: never[]) => object, handlerName: string): RouteInput[] {
  const args = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, handlerName) ?? {}) as Record<
    string,
    { index: number; data?: unknown; pipes?: unknown[] }
  >;
  const types = (Reflect.getMetadata('design:paramtypes', controller.prototype, handlerName) ??
    []) as unknown[];
  return Object.entries(args).flatMap(([key, arg]) => {
    const from = INPUT_KINDS[key.split(':')[0] ?? ''];
    if (from === undefined) return [];
    const name = typeof arg.data === 'string' ? arg.data : undefined;
    return [{ from, name, type: types[arg.index], pipes: arg.pipes ?? [] }];
  });
}

function toList(path: unknown): string[] {
  return (Array.isArray(path) ? path : [path]).map((one) => (typeof one === 'string' ? one : ''));
}

function joinPath(...parts: string[]): string {
  const joined = parts.map((part) => part.replace(/^\/+|\/+$/g, '')).filter((part) => part !== '');
  return `/${joined.join('/')}`;
}
