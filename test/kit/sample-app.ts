import { Body, Controller, Delete, Get, Global, Module, Param, Patch, Post, Query } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  Access,
  type AccessRequest,
  Authenticator,
  type Denial,
  Denials,
  Openings,
  OWN,
  permissionNames,
  Public,
  SignedIn,
  SystemGate,
} from '#access';
import {
  Answers,
  Anything,
  AppLogger,
  Choice,
  createHttpApp,
  Email,
  Flag,
  type HttpAppOptions,
  HttpModule,
  Id,
  IdPipe,
  ListOf,
  Nested,
  PageQuery,
  pageViewOf,
  Secret,
  Slug,
  Text,
  Time,
  Whole,
} from '#http';
import { type Caller, Fault, faults } from '#kernel';

/** A small application for this room's specs: one route per thing that can go wrong. */

export const SampleFault = faults('sample', {
  signed_out: ['unauthenticated', 'Sign in first.'],
  conflict: ['conflict', 'It has changed meanwhile.'],
  busy: ['limited', 'Slower, please.'],
  hidden: ['not_found', 'There is nothing here.'],
  down: ['unavailable', 'The vault is down.'],
});

class Member {
  @Email() email: string;
  @Choice(['admin', 'viewer']) role: string;
}

export class MakeThing {
  @Text({ min: 1, max: 20, example: 'Blue' }) name: string;
  @Slug({ optional: true }) slug?: string;
  @Email({ optional: true }) email?: string;
  @Id({ optional: true, nullable: true }) parentId?: string | null;
  @Time({ optional: true }) at?: string;
  @Whole({ min: 1, max: 10, optional: true }) count?: number;
  @Flag({ optional: true }) open?: boolean;
  @Secret({ min: 8, max: 64, optional: true }) password?: string;
  @ListOf('text', { max: 3, itemMax: 5, optional: true }) tags?: string[];
  @ListOf(() => Member, { max: 3, optional: true }) members?: Member[];
  @Nested(() => Member, { optional: true }) owner?: Member;
  @Anything({ maxBytes: 64, optional: true }) extra?: Record<string, unknown>;
}

export class ThingView {
  @Id() id: string;
  @Text({ max: 20 }) name: string;
  @Text({ optional: true, nullable: true }) note?: string | null;
  @Nested(() => Member, { optional: true }) owner?: Member;
}

const THING = { id: '0190a6c4-0000-7000-8000-000000000001', name: 'Blue', passwordHash: '$argon2id$planted' };

export class ThingPage extends pageViewOf(ThingView) {}

@Controller('api/v1/things')
export class ThingsController {
  received: unknown;
  failWith: unknown;

  @Post()
  @Public('a sample')
  @Answers(ThingView, { status: 201, faults: [SampleFault.conflict], description: 'Makes a thing.' })
  make(@Body() body: MakeThing): ThingView {
    this.received = body;
    return { ...THING, name: body.name };
  }

  @Get()
  @SignedIn('a sample')
  @Answers(ThingPage, { description: 'Lists things.' })
  list(@Query() query: PageQuery): object {
    this.received = query;
    return { items: [THING], next: undefined, total: 7 };
  }

  @Get('failing')
  @Public('a sample')
  @Answers(ThingView)
  fail(): never {
    throw this.failWith;
  }

  @Get('broken')
  @Public('a sample')
  @Answers(ThingView)
  broken(): object {
    return { name: 'an id is missing', passwordHash: THING.passwordHash };
  }

  @Get('all')
  @Access({ permission: permissionNames, org: OWN })
  @Answers(ThingView)
  all(): ThingView {
    return THING;
  }

  @Get(':thingId')
  @Public('a sample')
  @Answers(ThingView)
  get(@Param('thingId', IdPipe) id: string): ThingView {
    return { ...THING, id };
  }

  @Patch(':thingId')
  @Public('a sample')
  @Answers(ThingView)
  change(@Param('thingId', IdPipe) id: string, @Body() body: MakeThing): ThingView {
    return { ...THING, id, name: body.name };
  }

  @Delete(':thingId')
  @Public('a sample')
  @Answers(undefined)
  remove(@Param('thingId', IdPipe) _id: string): void {}
}

export class StubAuthenticator extends Authenticator {
  authenticate(request: AccessRequest): Caller {
    if (request.headers['authorization'] !== 'Bearer good') throw SampleFault.signed_out();
    return {
      kind: 'user',
      id: '0190a6c4-0000-7000-8000-00000000000a',
      org: {
        id: '0190a6c4-0000-7000-8000-00000000000b',
        slug: 'acme',
        name: 'Acme',
        kind: 'tenant',
        status: 'active',
        createdAt: '2026-01-01T00:00:00Z',
      },
      permissions: new Set(['org:create']),
      assured: true,
      request: request.facts,
    };
  }

  requireProof(): Promise<void> {
    throw SampleFault.signed_out();
  }
}

export class StubDenials extends Denials {
  readonly recorded: Denial[] = [];
  record: (denial: Denial) => Promise<void> = async (denial) => {
    this.recorded.push(denial);
  };
}

class OpenGate extends SystemGate {
  refusal(): Fault | undefined {
    return undefined;
  }
}

@Global()
@Module({
  providers: [
    { provide: Openings, useValue: new Openings([]) },
    { provide: Authenticator, useClass: StubAuthenticator },
    { provide: SystemGate, useClass: OpenGate },
    { provide: Denials, useClass: StubDenials },
  ],
  exports: [Authenticator, Denials, Openings, SystemGate],
})
class StubsModule {}

@Module({ imports: [StubsModule, HttpModule], controllers: [ThingsController] })
class SampleModule {}

export interface Sample {
  app: NestFastifyApplication;
  things: ThingsController;
  denials: StubDenials;
  /** Every line of the log so far. */
  lines: string[];
}

/** The sample application, initialized, its log kept in an array. */
export async function startSample(options: HttpAppOptions = {}): Promise<Sample> {
  const lines: string[] = [];
  const logger = new AppLogger({ write: (line) => lines.push(line) });
  const app = await createHttpApp(SampleModule, { logger, ...options });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return { app, things: app.get(ThingsController), denials: app.get<StubDenials>(Denials), lines };
}
