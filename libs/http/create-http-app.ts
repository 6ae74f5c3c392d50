import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Denials } from '#access';
import { AppLogger } from './app-logger.ts';
import { fastifyServer, type ServerOptions } from './fastify-server.ts';
import { InputPipe } from './input-pipe.ts';
import { OpenApi } from './open-api.ts';
import { ProblemFilter } from './problem.filter.ts';
import { RequestTimes } from './request-times.ts';
import type { LoggedRequest } from './access-log.ts';

export interface HttpAppOptions extends ServerOptions {
  /** Standard output, batched, where unsaid. */
  readonly logger?: AppLogger;
}

/**
 * The Nest application on Fastify with the pipe, the filter, the limits and the logs that every answer relies on.
 * Not initialized: `init()` or `listen()` does that, and runs the boot seal. `module` must import HttpModule
 * and make `Denials` available.
 */
export async function createHttpApp(
  module: Type | { module: Type },
  { logger = new AppLogger(), ...options }: HttpAppOptions = {},
): Promise<NestFastifyApplication> {
  const { instance, routes } = fastifyServer(options, logger);
  const app = await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(instance), {
    // The only body parser is the strict one of fastifyServer.
    bodyParser: false,
    logger,
    abortOnError: false,
  });
  app.useGlobalPipes(new InputPipe());
  app.useGlobalFilters(
    new ProblemFilter(app.get(Denials, { strict: false }), logger, (path) => routes.of(path)),
  );
  app.get(OpenApi, { strict: false }).attach(app);
  const times = app.get(RequestTimes, { strict: false });
  // As the access log's: when the answer is handed over, and of a stream at its beginning.
  instance.addHook('onSend', (request, reply, payload, done) => {
    times.answered(request as unknown as LoggedRequest, reply.statusCode);
    done(null, payload);
  });
  instance.addHook('onClose', () => logger.flush());
  return app;
}
