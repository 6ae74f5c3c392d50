import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessRequest } from '#access';
import type { LogSink } from './app-logger.ts';
import type { RequestTimes } from './request-times.ts';

export interface LoggedRequest extends AccessRequest {
  /** Of performance.now(). */
  startedAt: number;
}

/**
 * One line per answered request. It is put together by hand, not by pino: every value is a number, a name of ours
 * or of a checked form, and the line is on the path of every request. Headers, bodies, queries and paths are not
 * among the values, so no secret can be.
 */
export function accessLine(
  request: LoggedRequest,
  { status, bytes, ms }: { status: number; bytes: number | undefined; ms: number },
): string {
  const { id, method, route, ip = '' } = request.facts;
  const caller = request.caller;
  return (
    '{"level":"info","time":"' +
    isoNow() +
    '","context":"access","requestId":"' +
    id +
    '","method":"' +
    method +
    '","route":' +
    quoted(route) +
    ',"status":' +
    status +
    ',"ms":' +
    Math.round(ms * 1000) / 1000 +
    ',"ip":"' +
    ip +
    (caller ? '","callerId":"' + caller.id + '","orgId":"' + caller.org.id : '') +
    '"' +
    (bytes === undefined ? '' : ',"bytes":' + bytes) +
    '}\n'
  );
}

/**
 * Writes the line and counts the request when the answer is handed over, as an onSend hook: a hook that waits until the
 * last byte is out costs six listeners a request. Of a stream that is at its beginning.
 */
export function accessLog(
  sink: LogSink,
  times: RequestTimes,
): (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done) => void {
  return (plain, reply, payload, done) => {
    const request = plain as unknown as LoggedRequest;
    const status = reply.statusCode;
    const ms = performance.now() - request.startedAt;
    sink.write(accessLine(request, { status, bytes: bytesOf(payload), ms }));
    times.answered(request.facts, status, ms);
    done(null, payload);
  };
}

type Done = (error: null, payload: unknown) => void;

function bytesOf(payload: unknown): number | undefined {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return Buffer.isBuffer(payload) ? payload.length : undefined;
}

const routes = new Map<string, string>();

/** A route pattern as JSON; there are as many as there are routes. */
function quoted(route: string): string {
  let text = routes.get(route);
  if (text === undefined) routes.set(route, (text = JSON.stringify(route)));
  return text;
}

let at = 0;
let iso = '';

/** The time as RFC 3339. A busy server answers many requests within one millisecond. */
function isoNow(): string {
  const now = Date.now();
  if (now !== at) {
    at = now;
    iso = new Date(now).toISOString();
  }
  return iso;
}
