import { applyDecorators, SetMetadata } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { RAW_BODY } from '#access';

/** What Fastify keeps of a route. */
interface RouteFacts {
  readonly rawBody?: number;
}

/**
 * Keeps the body of a route as it came, `request.body` being a Buffer, for whoever verifies a signature over it. The
 * content type is still JSON, and a body of more than `limit` bytes is refused before it is read to its end.
 */
export function RawBody(limit: number): MethodDecorator {
  return applyDecorators(SetMetadata(RAW_BODY, limit), RouteConfig({ rawBody: limit } satisfies RouteFacts));
}

/** The limit of a route that keeps its body; undefined for all others. */
export function rawBodyLimit(config: unknown): number | undefined {
  return (config as RouteFacts | undefined)?.rawBody;
}
