import { Body, Controller, Delete, Get, Param, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, WhileReadOnly } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import type { Page } from '#kernel';
import { ProjectionFault } from '../projection.faults.ts';
import { AuthorityPage, AuthorityView, CreateAuthorityRequest } from './authorities.contract.ts';
import { Authorities } from './authorities.ts';

const ENDS = 'it ends authority, which waits for nothing';

@Controller('api/v1/orgs/:orgId/authorities')
export class AuthoritiesController {
  constructor(private readonly authorities: Authorities) {}

  @Get()
  @Access({ permission: 'surface:read', org: 'orgId' })
  @Answers(AuthorityPage, { description: 'Who owns, or owned, which kind of truth; newest first.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<Page<AuthorityView>> {
    return this.authorities.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'authority:write', org: 'orgId' })
  @Answers(AuthorityView, {
    status: 201,
    faults: [
      ProjectionFault.owner_exists,
      ProjectionFault.bad_service_account,
      ProjectionFault.surface_not_found,
    ],
    description: 'Make the keys of a service account the owner of a kind of truth.',
  })
  create(@Req() request: AccessRequest, @Body() body: CreateAuthorityRequest): Promise<AuthorityView> {
    return this.authorities.create(callerOf(request), body);
  }

  @Delete(':authorityId')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'authority:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [ProjectionFault.authority_not_found],
    description: 'End an authority. When this answers, what it told counts for nothing.',
  })
  end(@Req() request: AccessRequest, @Param('authorityId', IdPipe) authorityId: string): Promise<void> {
    return this.authorities.end(callerOf(request), authorityId);
  }
}
