import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM, SignedIn, WhileReadOnly } from '#access';
import { AuthFault, OrganizationView } from '#auth';
import { Answers, IdPipe, PageQuery } from '#http';
import {
  CreatedOrgView,
  CreateOrgRequest,
  MemberView,
  OrgPage,
  TransferOwnershipRequest,
  UpdateOrgRequest,
} from './org.contract.ts';
import { OrgFault } from './org.faults.ts';
import { Orgs } from './orgs.ts';
import { Ownership } from './ownership.ts';

const ENDS = 'it ends authority, which waits for nothing';

@Controller('api/v1/orgs')
export class OrgsController {
  constructor(
    private readonly orgs: Orgs,
    private readonly ownership: Ownership,
  ) {}

  @Get()
  @SignedIn('everyone may see which organizations they belong to')
  @Answers(OrgPage, { description: 'Your organizations; every one for platform operators.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<OrgPage> {
    return this.orgs.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'org:create', org: PLATFORM })
  @Answers(CreatedOrgView, {
    status: 201,
    faults: [OrgFault.slug_taken],
    description: 'Create a tenant organization, signed in to the platform organization.',
  })
  create(@Req() request: AccessRequest, @Body() body: CreateOrgRequest): Promise<CreatedOrgView> {
    return this.orgs.create(callerOf(request), body);
  }

  @Get(':orgId')
  @Access({ permission: 'org:read', org: 'orgId' })
  @Answers(OrganizationView, { description: 'The organization.' })
  read(@Req() request: AccessRequest): OrganizationView {
    // Part of the caller's authority, hence as fresh as the permission that was just checked.
    return callerOf(request).org;
  }

  @Patch(':orgId')
  @Access({ permission: 'org:update', org: 'orgId' })
  @Answers(OrganizationView, { description: 'Rename the organization.' })
  update(@Req() request: AccessRequest, @Body() body: UpdateOrgRequest): Promise<OrganizationView> {
    return this.orgs.rename(callerOf(request), body.name);
  }

  @Delete(':orgId')
  @Access({ permission: 'org:delete', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(undefined, {
    faults: [OrgFault.platform_is_kept],
    description: 'Delete the organization and end everything in it. Its audit log is kept.',
  })
  remove(@Req() request: AccessRequest): Promise<void> {
    return this.orgs.remove(callerOf(request));
  }

  @Post(':orgId/transfer-ownership')
  @Access({ permission: 'org:transfer', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(MemberView, {
    status: 200,
    faults: [
      OrgFault.member_not_found,
      OrgFault.cannot_be_owner,
      OrgFault.not_owner,
      OrgFault.role_not_found,
      OrgFault.grant_ceiling,
      AuthFault.step_up_required,
    ],
    description: 'Make another active member owner and take a lesser role yourself, both or neither.',
  })
  transferOwnership(
    @Req() request: AccessRequest,
    @Body() body: TransferOwnershipRequest,
  ): Promise<MemberView> {
    return this.ownership.transfer(callerOf(request), body);
  }

  @Post(':orgId/suspend')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'org:suspend', org: PLATFORM })
  @Answers(OrganizationView, {
    faults: [OrgFault.not_found, OrgFault.platform_is_kept],
    description: 'Suspend a tenant. When this answers, nothing in it is accepted on any replica.',
  })
  suspend(@Req() request: AccessRequest, @Param('orgId', IdPipe) orgId: string): Promise<OrganizationView> {
    return this.orgs.suspend(callerOf(request), orgId);
  }

  @Post(':orgId/resume')
  @Access({ permission: 'org:suspend', org: PLATFORM })
  @Answers(OrganizationView, {
    faults: [OrgFault.not_found, OrgFault.platform_is_kept],
    description: 'Lift a suspension.',
  })
  resume(@Req() request: AccessRequest, @Param('orgId', IdPipe) orgId: string): Promise<OrganizationView> {
    return this.orgs.resume(callerOf(request), orgId);
  }
}
