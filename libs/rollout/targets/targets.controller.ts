import { Body, Controller, Get, Param, Post, Put, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import { RolloutFault } from '../rollout.faults.ts';
import { ReportRequest, TargetPage, TargetRequest, TargetView } from './target.contract.ts';
import { Targets } from './targets.ts';

@Controller('api/v1/orgs/:orgId/rollout-targets')
export class TargetsController {
  constructor(private readonly targets: Targets) {}

  @Get()
  @Access({ permission: 'target:read', org: 'orgId' })
  @Answers(TargetPage, { description: 'What rollouts are done to, and which version it holds.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<TargetPage> {
    return this.targets.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'target:write', org: 'orgId' })
  @Answers(TargetView, {
    status: 201,
    faults: [RolloutFault.target_exists],
    description: 'Name a target.',
  })
  create(@Req() request: AccessRequest, @Body() body: TargetRequest): Promise<TargetView> {
    return this.targets.create(callerOf(request), body);
  }

  @Put(':targetId/state')
  @Access({ permission: 'target:report', org: 'orgId' })
  @Answers(TargetView, {
    faults: [RolloutFault.target_not_found, RolloutFault.bad_report],
    description:
      'Report what state the target is in. Rollouts compare it with what it was when they were planned.',
  })
  report(
    @Req() request: AccessRequest,
    @Param('targetId', IdPipe) targetId: string,
    @Body() body: ReportRequest,
  ): Promise<TargetView> {
    return this.targets.report(callerOf(request), targetId, body);
  }
}
