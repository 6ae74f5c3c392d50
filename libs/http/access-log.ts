import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessRequest } from '#access';
import type { LogSink } from './app-logger.ts';

/**
 * One line per answered request. It is put together by hand, not by pino: every value is a number, a name of ours
 * or of a checked form, and the line is on the path of every request. Headers, bodies, queries and paths are not
 * among the values, so no secret can be.
 */
export function accessLine(request: FastifyRequest & AccessRequest, reply: FastifyReply): string {
  const { id, method, route, ip = '' } = request.facts;
  const length = reply.getHeader('content-length');
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
    reply.statusCode +
    ',"ms":' +
    Math.round(reply.elapsedTime * 1000) / 1000 +
    ',"ip":"' +
    ip +
    (caller ? '","callerId":"' + caller.id + '","orgId":"' + caller.org.id : '') +
    '"' +
    (length === undefined ? '' : ',"bytes":' + Number(length)) +
    '}\n'
  );
}

/** Writes the line when the answer is out. */
export function accessLog(
  sink: LogSink,
): (request: FastifyRequest, reply: FastifyReply, done: () => void) => void {
  return (request, reply, done) => {
    sink.write(accessLine(request as FastifyRequest & AccessRequest, reply));
    done();
  };
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
