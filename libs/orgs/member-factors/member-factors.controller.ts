import { Controller, Delete, Get, Param, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM } from '#access';
import { AuthFault, MemberFactorsView } from '#auth';
import { Answers, IdPipe } from '#http';
import { OrgFault } from '../org.faults.ts';
import { MemberFactors } from './member-factors.ts';

@Controller('api/v1/orgs/:orgId/members/:userId/factors')
export class MemberFactorsController {
  constructor(private readonly factors: MemberFactors) {}

  @Get()
  @Access({ permission: 'member:read', org: 'orgId' })
  @Answers(MemberFactorsView, {
    faults: [OrgFault.member_not_found],
    description: 'The second factors and passkeys of a member.',
  })
  list(@Req() request: AccessRequest, @Param('userId', IdPipe) userId: string): Promise<MemberFactorsView> {
    return this.factors.list(callerOf(request), userId);
  }

  @Delete(':factorId')
  @Access({ permission: 'member:reset-factors', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(undefined, {
    faults: [
      OrgFault.member_not_found,
      OrgFault.grant_ceiling,
      AuthFault.factor_not_found,
      AuthFault.factors_shared,
      AuthFault.step_up_required,
    ],
    description: 'Remove a factor that a member has lost; all their sessions end before this answers.',
  })
  reset(
    @Req() request: AccessRequest,
    @Param('userId', IdPipe) userId: string,
    @Param('factorId', IdPipe) factorId: string,
  ): Promise<void> {
    return this.factors.reset(callerOf(request), userId, factorId);
  }
}

@Controller('api/v1/users/:userId/factors')
export class UserFactorsController {
  constructor(private readonly factors: MemberFactors) {}

  @Get()
  @Access({ permission: 'member:reset-factors', org: PLATFORM })
  @Answers(MemberFactorsView, {
    faults: [OrgFault.member_not_found],
    description: 'The second factors and passkeys of anybody, for platform operators.',
  })
  list(@Req() request: AccessRequest, @Param('userId', IdPipe) userId: string): Promise<MemberFactorsView> {
    return this.factors.listOfAny(callerOf(request), userId);
  }

  @Delete(':factorId')
  @Access({ permission: 'member:reset-factors', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(undefined, {
    faults: [
      OrgFault.member_not_found,
      OrgFault.grant_ceiling,
      AuthFault.factor_not_found,
      AuthFault.step_up_required,
    ],
    description: 'Remove a lost factor of somebody who belongs to several organizations.',
  })
  reset(
    @Req() request: AccessRequest,
    @Param('userId', IdPipe) userId: string,
    @Param('factorId', IdPipe) factorId: string,
  ): Promise<void> {
    return this.factors.resetOfAny(callerOf(request), userId, factorId);
  }
}
