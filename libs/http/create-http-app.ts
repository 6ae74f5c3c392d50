import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Denials } from '#access';
import { accessLog } from './access-log.ts';
import { AppLogger } from './app-logger.ts';
import { fastifyServer, type ServerOptions } from './fastify-server.ts';
import { InputPipe } from './input-pipe.ts';
import { OpenApi } from './open-api.ts';
import { ProblemFilter } from './problem.filter.ts';
import { RequestTimes } from './request-times.ts';

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
  const { instance, routes } = fastifyServer(options);
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
  instance.addHook('onSend', accessLog(logger.sink, app.get(RequestTimes, { strict: false })));
  instance.addHook('onClose', () => logger.flush());
  return app;
}
