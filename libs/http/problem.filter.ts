import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AccessRequest, Denials } from '#access';
import { isOutage } from '#database';
import { Fault, type FaultMaker } from '#kernel';
import type { AppLogger } from './app-logger.ts';
import { HttpFault } from './http.faults.ts';
import { problemHeaders, problemOf } from './problem.ts';
import { rawBodyLimit } from './raw-body.ts';

type HttpRequest = FastifyRequest & AccessRequest;

/** Fastify's own refusals (its docs, reference/Errors) in our words. */
const FASTIFY: Record<string, FaultMaker> = {
  FST_ERR_CTP_BODY_TOO_LARGE: HttpFault.too_large,
  FST_ERR_CTP_INVALID_MEDIA_TYPE: HttpFault.unsupported_media_type,
  FST_ERR_BAD_URL: HttpFault.uri_malformed,
  FST_ERR_INVALID_URL: HttpFault.uri_malformed,
  FST_ERR_MAX_PARAM_LENGTH: HttpFault.uri_malformed,
  FST_ERR_NOT_FOUND: HttpFault.route_not_found,
  FST_ERR_HANDLER_TIMEOUT: HttpFault.unavailable,
};

/** Nest's exceptions, which our own code does not throw, by their status. */
const NEST: Record<number, FaultMaker> = {
  401: HttpFault.unauthenticated,
  403: HttpFault.forbidden,
  404: HttpFault.not_found,
  405: HttpFault.method_not_allowed,
  408: HttpFault.timeout,
  409: HttpFault.conflict,
  413: HttpFault.too_large,
  414: HttpFault.uri_malformed,
  415: HttpFault.unsupported_media_type,
  429: HttpFault.limited,
  431: HttpFault.header_too_large,
  503: HttpFault.unavailable,
};

/** Any error as a Fault. What is neither ours nor the client's doing is `http.internal`, with the error as cause. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const inner = error instanceof HttpException && error.cause !== undefined ? error.cause : error;
  const { code, statusCode } = (inner ?? {}) as { code?: unknown; statusCode?: unknown };
  if (typeof code === 'string' && code.startsWith('FST_ERR_')) {
    const known = FASTIFY[code];
    if (known) return known();
    if (isClientError(statusCode)) return HttpFault.bad_request();
  }
  if (isOutage(error)) return HttpFault.unavailable({ cause: error });
  if (error instanceof HttpException) {
    const known = NEST[error.getStatus()];
    if (known) return known();
    if (isClientError(error.getStatus())) return HttpFault.bad_request();
  }
  return HttpFault.internal({ cause: error });
}

function isClientError(status: unknown): boolean {
  return typeof status === 'number' && status >= 400 && status < 500;
}

/**
 * Answers every error as problem details. A refusal is answered only after its evidence is durable: where that
 * cannot be written, the caller hears 503 instead, and learns nothing of what was refused.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly denials: Denials,
    private readonly logger: AppLogger,
    /** For a request no route matched: the methods its path knows. */
    private readonly allowed: (path: string) => readonly string[] = () => [],
  ) {}

  /** Never rejects: Nest does not await filters. */
  async catch(error: unknown, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    const request = http.getRequest<HttpRequest>();
    const reply = http.getResponse<FastifyReply>();
    try {
      const fault = await this.recorded(this.faultFor(error, request, reply), request);
      this.logged(fault, request);
      answer(fault, request, reply);
    } catch (failure) {
      this.logger.error(failure, 'ProblemFilter');
      reply.raw.destroy();
    }
  }

  private faultFor(error: unknown, request: HttpRequest, reply: FastifyReply): Fault {
    const fault = faultOf(error);
    // Where there is no route, what is wrong with the body of the request does not matter.
    if (!request.is404 || (fault.kind !== 'invalid' && fault.kind !== 'not_found')) return fault;
    const methods = this.allowed(pathOf(request));
    if (methods.length === 0) return HttpFault.route_not_found();
    void reply.header('allow', methods.join(', '));
    return HttpFault.method_not_allowed();
  }

  private async recorded(fault: Fault, request: HttpRequest): Promise<Fault> {
    if (!isDenial(fault) && !isRefusedSignature(fault, request)) return fault;
    try {
      await this.denials.record({ fault, request: request.facts, caller: request.caller });
      return fault;
    } catch (cause) {
      return HttpFault.unavailable({ cause, detail: 'a refusal could not be recorded' });
    }
  }

  /** Once per failure that is ours; what a client did wrong is in the access log. */
  private logged(fault: Fault, { facts }: HttpRequest): void {
    const known = fault.kind === 'unavailable' && fault.cause === undefined && fault.detail === undefined;
    if (known || (fault.kind !== 'internal' && fault.kind !== 'unavailable')) return;
    const at = { requestId: facts.id, method: facts.method, route: facts.route };
    this.logger.error(`${fault.code} answered`, { ...at, error: fault }, 'ProblemFilter');
  }
}

/** Refusals of authority, whose evidence is kept; of the other kinds those that say so (`audit`). */
function isDenial({ kind, audit }: Fault): boolean {
  return kind === 'unauthenticated' || kind === 'forbidden' || audit !== undefined;
}

/** On a signed route everything that the sender did wrong is a refusal: before its signature was seen, too. */
function isRefusedSignature({ kind }: Fault, request: HttpRequest): boolean {
  const ours = kind === 'internal' || kind === 'unavailable';
  return !ours && rawBodyLimit(request.routeOptions.config) !== undefined;
}

function answer(fault: Fault, request: HttpRequest, reply: FastifyReply): void {
  if (reply.sent || reply.raw.headersSent) {
    // Half an answer is out: cutting it short is the only way left to say that it is not whole.
    reply.raw.destroy();
    return;
  }
  const { authorization, 'x-api-key': apiKey } = request.headers;
  const problem = problemOf(fault, request.id);
  void reply
    .code(problem.status)
    .headers(problemHeaders(fault, authorization !== undefined || apiKey !== undefined))
    .removeHeader('content-length')
    .serializer(JSON.stringify)
    .send(problem);
}

function pathOf(request: FastifyRequest): string {
  const query = request.url.indexOf('?');
  return query === -1 ? request.url : request.url.slice(0, query);
}
