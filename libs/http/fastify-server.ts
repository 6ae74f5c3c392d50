import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { AccessRequest } from '#access';
import { type Fault, newId, type RequestFacts } from '#kernel';
import type { LoggedRequest } from './access-log.ts';
import { answerConditionally } from './conditional.ts';
import { HttpFault } from './http.faults.ts';
import { faultOf } from './problem.filter.ts';
import { problemHeaders, problemOf } from './problem.ts';
import { HttpRequestFacts, memoryOf, requestIdOf } from './request-facts.ts';
import { rawBodyLimit } from './raw-body.ts';
import { RouteMethods } from './route-methods.ts';
import { type SecurityHeaders, securityHeaders } from './security-headers.ts';
import { parseStrictJson } from './strict-json.ts';

export interface ServerOptions {
  /** Most bytes a body may have; 256 KiB where unsaid. */
  readonly bodyLimit?: number;
  /** Addresses and CIDR ranges whose X-Forwarded-* headers are believed; nobody's where empty. */
  readonly trustedProxies?: readonly string[];
  /** TLS in this process: certificate chain and key, PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Tell browsers to insist on TLS. True where `tls` is set; a deployment behind a TLS proxy sets it. */
  readonly hsts?: boolean;
  /** Only paths that begin with one of these exist: a worker answers for its health and nothing else. */
  readonly onlyPaths?: readonly string[] | undefined;
  /** Milliseconds a client may take for its whole request (30 s), and for its headers (10 s). */
  readonly requestTimeout?: number;
  readonly headersTimeout?: number;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** Node would silently drop the headers beyond its own limit, among them perhaps the credential. */
const MAX_HEADERS = 100;

/** A Fastify instance with every limit set, and what it knows of its routes. Routes are Nest's to add. */
export function fastifyServer(options: ServerOptions): { instance: FastifyInstance; routes: RouteMethods } {
  const { requestTimeout = 30_000, headersTimeout = 10_000, tls, trustedProxies = [] } = options;
  const node = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: Math.min(headersTimeout, requestTimeout),
    requestTimeout,
    connectionsCheckingInterval: Math.min(5_000, headersTimeout),
    // Node would answer a request without Host with an empty 400; ours says why.
    requireHostHeader: false,
    insecureHTTPParser: false,
  };
  const { full, api } = securityHeaders({ hsts: options.hsts ?? tls !== undefined });
  // What is answered before there is a route.
  const headers = full;
  const instance = fastify({
    ...(tls ? { https: { ...node, ...tls, minVersion: 'TLSv1.2' as const } } : { http: node }),
    bodyLimit: options.bodyLimit ?? 256 * 1024,
    requestTimeout,
    // Longer than the 60 s of common load balancers, so that they close first.
    keepAliveTimeout: 65_000,
    // Open connections end with their present answer, in our form, not with Fastify's own 503.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    routerOptions: { maxParamLength: 200 },
    requestIdHeader: false,
    genReqId: (raw) => requestIdOf(raw),
    logger: false,
    clientErrorHandler: (error, socket) => answerSocket(error, socket, headers),
    frameworkErrors: (error, request, reply) => {
      const problem = problemOf(faultOf(error), request.id);
      void (reply as FastifyReply)
        .code(problem.status)
        .headers({
          ...Object.fromEntries(headers),
          'x-request-id': request.id,
          ...problemHeaders(faultOf(error), false),
        })
        .serializer(JSON.stringify)
        .send(problem);
    },
  }) as unknown as FastifyInstance;

  instance.server.maxHeadersCount = 0;
  instance.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    answerRaw(HttpFault.expectation_failed(), requestIdOf(request), response, headers);
  });

  lazyFacts(instance, trustedProxies.length > 0);
  instance.decorateRequest('startedAt', 0);
  instance.addHook('onRequest', (request, reply, done) => {
    (request as unknown as LoggedRequest).startedAt = performance.now();
    const list = request.url.startsWith('/api/v1/') ? api : full;
    for (const [name, value] of list) void reply.header(name, value);
    void reply.header('x-request-id', request.id);
    const raw = request.raw;
    if (raw.rawHeaders.length > 2 * MAX_HEADERS) return done(HttpFault.header_too_large());
    if (options.onlyPaths?.some((path) => request.url.startsWith(path)) === false) {
      return done(HttpFault.route_not_found());
    }
    const hosts = countHosts(raw.rawHeaders);
    // RFC 9112 section 3.2.
    if (hosts > 1 || (hosts === 0 && raw.httpVersion === '1.1')) return done(HttpFault.bad_request());
    done();
  });
  jsonBodies(instance);

  const routes = new RouteMethods();
  instance.addHook('onRoute', (route) => {
    const { url, method } = route;
    routes.add(url, Array.isArray(method) ? method : [method]);
    answerConditionally(route);
  });
  return { instance, routes };
}

/** Of more than one, Node keeps the first and tells nobody. */
function countHosts(rawHeaders: readonly string[]): number {
  let found = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') found += 1;
  }
  return found;
}

const FACTS = Symbol('facts');

/** `request.facts`, made when first asked for. */
function lazyFacts(instance: FastifyInstance, trustsProxies: boolean): void {
  type Holder = FastifyRequest & { [FACTS]?: RequestFacts };
  instance.decorateRequest('facts', {
    getter(this: FastifyRequest) {
      return ((this as Holder)[FACTS] ??= new HttpRequestFacts(this, trustsProxies));
    },
  });
  instance.decorateRequest('connection', {
    getter(this: FastifyRequest) {
      return memoryOf(this.socket);
    },
  });
  instance.decorateRequest('caller', undefined as unknown as AccessRequest['caller']);
}

/** The only parser: JSON in UTF-8. Any other content type is 415. */
function jsonBodies(instance: FastifyInstance): void {
  instance.addHook('onRoute', (route) => {
    const limit = rawBodyLimit(route.config);
    if (limit !== undefined) route.bodyLimit = limit;
  });
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (!isUtf8Json(request.headers['content-type'])) return done(HttpFault.unsupported_media_type());
    // No bytes are no body; a route that needs one says so.
    if (body.length === 0) return done(null, undefined);
    if (rawBodyLimit(request.routeOptions.config) !== undefined) return done(null, body);
    try {
      done(null, parseStrictJson(body as Buffer));
    } catch (fault) {
      done(fault as Fault);
    }
  });
}

/** `application/json`, if anything with `charset=utf-8`. */
function isUtf8Json(contentType: string | undefined): boolean {
  if (contentType === 'application/json') return true;
  return /^application\/json\s*(?:;\s*charset=(?:utf-8|"utf-8")\s*)?;?\s*$/i.test(contentType ?? '');
}

type Headers = SecurityHeaders['full'];

function answerRaw(fault: Fault, requestId: string, response: ServerResponse, headers: Headers): void {
  const problem = problemOf(fault, requestId);
  const body = JSON.stringify(problem);
  response.writeHead(problem.status, {
    ...Object.fromEntries(headers),
    ...problemHeaders(fault, false),
    'x-request-id': requestId,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(body);
}

/** Node's parser refused what came in, so there is no request; the answer is written by hand, then the end. */
function answerSocket(error: Error & { code?: string }, socket: Socket, headers: Headers): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const fault = CLIENT_ERRORS[error.code ?? '']?.() ?? HttpFault.bad_request();
  const requestId = newId();
  const problem = problemOf(fault, requestId);
  const body = JSON.stringify(problem);
  const lines = Object.entries({
    ...Object.fromEntries(headers),
    ...problemHeaders(fault, false),
    'x-request-id': requestId,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const status = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n`;
  // destroySoon: what is written still leaves, but nobody waits for the client.
  socket.write(`${status}${lines.join('')}\r\n${body}`);
  socket.destroySoon();
}

const CLIENT_ERRORS: Record<string, typeof HttpFault.timeout> = {
  HPE_HEADER_OVERFLOW: HttpFault.header_too_large,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: HttpFault.too_large,
  ERR_HTTP_REQUEST_TIMEOUT: HttpFault.timeout,
};
