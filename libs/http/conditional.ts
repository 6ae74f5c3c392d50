import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';

/** The configuration of a route whose answers carry an entity tag. */
export const CONDITIONAL = { conditional: true } as const;

/** For Fastify's onRoute: answers such a route 304 where the client has what would be sent. */
export function answerConditionally(route: RouteOptions): void {
  if (!isConditional(route.config)) return;
  route.onSend = [
    (
      request: FastifyRequest,
      reply: FastifyReply,
      payload: unknown,
      done: (error: null, payload?: unknown) => void,
    ) => {
      const tag = reply.getHeader('etag');
      if (
        reply.statusCode !== 200 ||
        typeof tag !== 'string' ||
        !namesTag(request.headers['if-none-match'], tag)
      ) {
        return done(null, payload);
      }
      void reply.code(304).removeHeader('content-type').removeHeader('content-length');
      done(null, '');
    },
  ];
}

function isConditional(config: object | undefined): boolean {
  return config !== undefined && 'conditional' in config && config.conditional === true;
}

/** The weak comparison of RFC 9110 section 8.8.3.2. */
function namesTag(header: string | undefined, tag: string): boolean {
  const opaque = (text: string): string => text.trim().replace(/^W\//, '');
  return (
    header !== undefined &&
    (header.trim() === '*' || header.split(',').some((one) => opaque(one) === opaque(tag)))
  );
}
