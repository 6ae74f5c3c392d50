import { Body, Controller, Get, Param, Put, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import type { Page } from '#kernel';
import { ProjectionFault } from '../projection.faults.ts';
import type { FactKind } from '../verdict/vocabulary.ts';
import { FactPage, FactView, TellFactRequest } from './facts.contract.ts';
import { FactLog } from './facts.ts';
import { KindPipe } from './kind.pipe.ts';

@Controller('api/v1/orgs/:orgId/surfaces/:surfaceId/facts')
export class FactsController {
  constructor(private readonly facts: FactLog) {}

  @Get()
  @Access({ permission: 'surface:read', org: 'orgId' })
  @Answers(FactPage, {
    faults: [ProjectionFault.surface_not_found],
    description: 'Everything that was told of a surface, newest first.',
  })
  list(
    @Req() request: AccessRequest,
    @Param('surfaceId', IdPipe) surfaceId: string,
    @Query() query: PageQuery,
  ): Promise<Page<FactView>> {
    return this.facts.list(callerOf(request), surfaceId, query);
  }

  @Put(':kind')
  @Access({ permission: 'fact:write', org: 'orgId' })
  @Answers(FactView, {
    faults: [
      ProjectionFault.surface_not_found,
      ProjectionFault.not_owner,
      ProjectionFault.bad_kind,
      ProjectionFault.bad_fact,
      ProjectionFault.from_future,
      ProjectionFault.revision_backwards,
      ProjectionFault.revision_conflict,
    ],
    description: 'Tell a fact. Only a key of the service account that owns the kind of truth may.',
  })
  tell(
    @Req() request: AccessRequest,
    @Param('surfaceId', IdPipe) surfaceId: string,
    @Param('kind', KindPipe) kind: FactKind,
    @Body() body: TellFactRequest,
  ): Promise<FactView> {
    return this.facts.tell(callerOf(request), surfaceId, kind, body);
  }
}
