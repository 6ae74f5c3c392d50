import { Controller, Get, Param, Query, Req, Res, StreamableFile } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, SignedIn } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import type { Page } from '#kernel';
import { ProjectionFault } from '../projection.faults.ts';
import { reasonCatalogue } from '../verdict/reasons.ts';
import { Documents } from './documents.ts';
import {
  DiffQuery,
  DiffView,
  ProjectionPage,
  ProjectionsQuery,
  ProjectionView,
  ReasonsView,
  TransitionPage,
  TransitionView,
  WatchQuery,
} from './projections.contract.ts';
import { Projections } from './projections.ts';
import { Watch } from './watch.ts';

interface HeaderReply {
  header(name: string, value: string): unknown;
}

@Controller('api/v1/projection')
export class ReasonsController {
  @Get('reasons')
  @SignedIn('what a reason means is no secret; which surface has it is')
  @Answers(ReasonsView, {
    description: 'Every reason a condition can have: what it means, who must act, and how.',
  })
  list(): ReasonsView {
    return reasonCatalogue;
  }
}

@Controller('api/v1/orgs/:orgId/projections')
export class ProjectionsController {
  constructor(
    private readonly projections: Projections,
    private readonly documents: Documents,
    private readonly watching: Watch,
  ) {}

  @Get()
  @Access({ permission: 'projection:read', org: 'orgId' })
  @Answers(ProjectionPage, {
    description: 'The posture of every surface as it is now, newest surface first.',
  })
  list(@Req() request: AccessRequest, @Query() query: ProjectionsQuery): Promise<Page<ProjectionView>> {
    return this.projections.list(callerOf(request), query);
  }

  @Get('watch')
  @Access({ permission: 'projection:read', org: 'orgId' })
  @Answers(undefined, {
    contentType: 'text/event-stream',
    faults: [ProjectionFault.too_many_watchers],
    description:
      'Every surface as it is, then each that changes (server-sent events `projection`, `gone`, `end`). It ends with ' +
      'the credential.',
  })
  async watch(@Req() request: AccessRequest, @Query() query: WatchQuery): Promise<StreamableFile> {
    const events = await this.watching.open(callerOf(request), query.wait ?? 300);
    return new StreamableFile(events, { type: 'text/event-stream' });
  }

  @Get(':surfaceId')
  @Access({ permission: 'projection:read', org: 'orgId' })
  @Answers(ProjectionView, {
    conditional: true,
    faults: [ProjectionFault.surface_not_found],
    description: 'The posture of one surface. 200 whatever the verdict is; 304 where If-None-Match names it.',
  })
  async describe(
    @Req() request: AccessRequest,
    @Param('surfaceId', IdPipe) surfaceId: string,
    @Res({ passthrough: true }) reply: HeaderReply,
  ): Promise<ProjectionView> {
    const { view, tag, maxAge } = await this.projections.describe(callerOf(request), surfaceId);
    reply.header('etag', tag);
    reply.header('cache-control', `private, max-age=${maxAge}, must-revalidate`);
    // A browser that serves two people must not show the one what it kept for the other.
    reply.header('vary', 'authorization, x-api-key');
    return view;
  }

  @Get(':surfaceId/history')
  @Access({ permission: 'projection:read', org: 'orgId' })
  @Answers(TransitionPage, {
    faults: [ProjectionFault.surface_not_found],
    description: 'Every change of the posture of a surface with its cause, newest first.',
  })
  history(
    @Req() request: AccessRequest,
    @Param('surfaceId', IdPipe) surfaceId: string,
    @Query() query: PageQuery,
  ): Promise<Page<TransitionView>> {
    return this.projections.history(callerOf(request), surfaceId, query);
  }

  @Get(':surfaceId/diff')
  @Access({ permission: 'projection:read', org: 'orgId' })
  @Answers(DiffView, {
    faults: [ProjectionFault.surface_not_found, ProjectionFault.bad_range, ProjectionFault.no_moment],
    description: 'What of the posture of a surface is not the same at two moments.',
  })
  diff(
    @Req() request: AccessRequest,
    @Param('surfaceId', IdPipe) surfaceId: string,
    @Query() query: DiffQuery,
  ): Promise<DiffView> {
    return this.projections.diff(callerOf(request), surfaceId, query);
  }

  @Get(':surfaceId/document')
  @Access({ permission: 'projection:read', org: 'orgId' })
  @Answers(undefined, {
    contentType: 'application/jose',
    faults: [ProjectionFault.surface_not_found],
    description: 'The posture as a compact JWS, to verify offline by /.well-known/jwks.json.',
  })
  document(@Req() request: AccessRequest, @Param('surfaceId', IdPipe) surfaceId: string): Promise<string> {
    return this.documents.sign(callerOf(request), surfaceId);
  }
}
