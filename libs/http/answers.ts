import { applyDecorators, Header, HttpCode, SetMetadata } from '@nestjs/common';
import { RouteConfig, RouteSchema } from '@nestjs/platform-fastify';
import { ANSWERS, type AnswerDeclaration } from '#access';
import type { FaultMaker } from '#kernel';
import { CONDITIONAL } from './conditional.ts';
import { schemaOf, type ViewClass } from './fields.ts';

export interface AnswerOptions {
  /** The status of success: 200, or 204 where there is no body. */
  status?: number;
  /** The faults the route may answer beyond those every route may (401, 403 and the like). */
  faults?: readonly FaultMaker[];
  /** One sentence for the OpenAPI document. */
  description?: string;
  /** For a body that is not JSON of a view: text, a stream, a file. */
  contentType?: string;
  /** The types of other forms of the same answer, which the query or the Accept header asks for. */
  otherTypes?: readonly string[];
  /** Whether a request that names the entity tag of the answer in If-None-Match is answered 304 (RFC 9110, 13.1.2). */
  conditional?: boolean;
}

/**
 * What a route answers: the class whose fields leave the process, or undefined for no body (or one of
 * `contentType`). Fastify compiles the serializer from the class when the route is registered, so an answer costs
 * no interceptor, and a field that the class does not declare is not sent.
 */
export function Answers(view: ViewClass | undefined, options: AnswerOptions = {}): MethodDecorator {
  const { contentType, faults = [], description = '', conditional = false, otherTypes = [] } = options;
  const status = options.status ?? (view || contentType !== undefined ? 200 : 204);
  const declaration: AnswerDeclaration = {
    status,
    view,
    contentType,
    otherTypes,
    conditional,
    faults,
    description,
  };
  return applyDecorators(
    SetMetadata(ANSWERS, declaration),
    HttpCode(status),
    ...(view ? [RouteSchema({ response: { [status]: schemaOf(view) } })] : []),
    ...(conditional ? [RouteConfig(CONDITIONAL)] : []),
    ...(contentType === undefined ? [] : [Header('content-type', contentType)]),
  );
}
