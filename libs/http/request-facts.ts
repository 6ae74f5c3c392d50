import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { type RequestFacts, serialId } from '#kernel';

/** What a client may choose as request id: it goes into logs and audit records, so no more than this. */
const MIN_ID = 8;
const MAX_ID = 64;
const MAX_USER_AGENT = 256;

/** The client's X-Request-Id where it is harmless, else a new id. */
export function requestIdOf(raw: Pick<IncomingMessage, 'headers'>): string {
  const given = raw.headers['x-request-id'];
  return given !== undefined && isSafeId(given) ? (given as string) : serialId();
}

/** Letters, digits, `-`, `_` and `.`. Read character by character: this is on the path of every request. */
function isSafeId(id: string | string[]): boolean {
  if (typeof id !== 'string' || id.length < MIN_ID || id.length > MAX_ID) return false;
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    const safe =
      (code >= 0x30 && code <= 0x39) || // 0-9
      ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a) || // a-z, A-Z
      code === 0x2d || // -
      code === 0x2e || // .
      code === 0x5f; // _
    if (!safe) return false;
  }
  return true;
}

/** The facts of a request. `route` is the pattern; a request no route matched has none. */
export class HttpRequestFacts implements RequestFacts {
  readonly id: string;
  readonly method: string;
  readonly route: string;
  readonly ip: string;
  readonly #userAgent: string | undefined;

  constructor(request: FastifyRequest, trustsProxies: boolean) {
    this.id = request.id;
    this.method = request.method;
    this.route = request.routeOptions.url ?? NO_ROUTE;
    // Without proxies all requests of a connection come from one address.
    const memory = trustsProxies ? undefined : memoryOf(request.socket);
    this.ip = memory ? (memory.address ??= addressOf(request)) : addressOf(request);
    this.#userAgent = request.headers['user-agent'];
  }

  /** Only audit records ask. */
  get userAgent(): string | undefined {
    return this.#userAgent === undefined ? undefined : printable(this.#userAgent);
  }
}

/** What is remembered of a connection, so that its next request need not find it out again. */
export interface ConnectionMemory {
  address?: string;
  /** See AccessRequest.connection. */
  credential?: string;
  digest?: string;
}

const MEMORY = Symbol('what is remembered of a connection');

export function memoryOf(socket: object): ConnectionMemory {
  return ((socket as { [MEMORY]?: ConnectionMemory })[MEMORY] ??= {});
}

/** Stands for the pattern where no route matched: the path itself may hold anything. */
export const NO_ROUTE = '-';

/** The client's address; behind a trusted proxy that passed on something else, the proxy's. */
function addressOf(request: FastifyRequest): string {
  const ip = request.ip;
  if (typeof ip !== 'string') return '';
  // A dual-stack socket shows IPv4 clients as ::ffff:192.0.2.1.
  if (ip.startsWith('::ffff:') && ip.includes('.')) return ip.slice(7);
  return isIP(ip) !== 0 ? ip : (request.socket.remoteAddress ?? '');
}

/** At most 256 characters and none of the control characters of ASCII or Latin-1. */
function printable(text: string): string {
  const short = text.length > MAX_USER_AGENT ? text.slice(0, MAX_USER_AGENT) : text;
  for (let i = 0; i < short.length; i++) {
    const code = short.charCodeAt(i);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return short.replace(CONTROLS, '');
  }
  return short;
}

const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;
