import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { newId, type RequestFacts } from '#kernel';

/** What a client may choose as request id: it goes into logs and audit records, so no more than this. */
const MIN_ID = 8;
const MAX_ID = 64;
const MAX_USER_AGENT = 256;

/** The client's X-Request-Id where it is harmless, else a new id. */
export function requestIdOf(raw: Pick<IncomingMessage, 'headers'>): string {
  const given = raw.headers['x-request-id'];
  return given !== undefined && isSafeId(given) ? (given as string) : newId();
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

/** The facts of a request as plain data. `route` is the pattern; a request no route matched has none. */
export function factsOf(request: FastifyRequest): RequestFacts {
  const userAgent = request.headers['user-agent'];
  return {
    id: request.id,
    method: request.method,
    route: request.routeOptions.url ?? NO_ROUTE,
    ip: addressOf(request),
    ...(userAgent !== undefined && { userAgent: printable(userAgent) }),
  };
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
