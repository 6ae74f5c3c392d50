// The floor under the product: a server that only answers. Argument: "nest" or "fastify". Prints its port.
import 'reflect-metadata';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  Module,
  UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication, RouteSchema } from '@nestjs/platform-fastify';
import { fastify } from 'fastify';
import { OrganizationView } from '#auth';
import { schemaOf } from '#http';

/** The same answer, through the same compiled serializer, as GET /api/v1/orgs/{orgId}. */
const answer = {
  id: '01934e5c-7a3b-7c1d-9e2f-0a1b2c3d4e5f',
  slug: 'bench',
  name: 'Bench',
  kind: 'tenant',
  status: 'active',
  createdAt: '2026-01-01T00:00:00.000Z',
};
const schema = { response: { 200: schemaOf(OrganizationView) } };

@Injectable()
class HeaderGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    return request.headers['authorization'] !== undefined;
  }
}

@Controller('api/v1/orgs')
class BareController {
  @Get(':orgId')
  @UseGuards(HeaderGuard)
  @RouteSchema(schema)
  read(): typeof answer {
    return answer;
  }
}

@Module({ controllers: [BareController], providers: [HeaderGuard] })
class BareModule {}

if (process.argv[2] === 'nest') {
  const app = await NestFactory.create<NestFastifyApplication>(BareModule, new FastifyAdapter(), {
    logger: false,
  });
  await app.listen(0, '127.0.0.1');
  tell(app.getHttpAdapter().getInstance().server.address());
} else {
  const app = fastify();
  app.get('/api/v1/orgs/:orgId', { schema }, (_request, reply) => {
    void reply.send(answer);
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  tell(app.server.address());
}

function tell(address: unknown): void {
  console.log((address as { port: number }).port);
}
