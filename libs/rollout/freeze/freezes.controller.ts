import { Body, Controller, Delete, Get, Param, Post, Put, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import { RolloutFault } from '../rollout.faults.ts';
import {
  ExceptionPage,
  ExceptionRequest,
  ExceptionView,
  FreezeList,
  FreezeRequest,
  FreezeView,
  FreezeWindow,
} from './freeze.contract.ts';
import { Freezes } from './freezes.ts';

@Controller('api/v1/orgs/:orgId/freezes')
export class FreezesController {
  constructor(private readonly freezes: Freezes) {}

  @Get()
  @Access({ permission: 'freeze:read', org: 'orgId' })
  @Answers(FreezeList, { description: 'Freezes, and which are in force.' })
  list(@Req() request: AccessRequest): Promise<FreezeList> {
    return this.freezes.list(callerOf(request));
  }

  @Post()
  @Access({ permission: 'freeze:write', org: 'orgId' })
  @Answers(FreezeView, {
    status: 201,
    faults: [RolloutFault.freeze_exists, RolloutFault.freeze_bad],
    description: 'Set a freeze: a recurrence rule in a time zone, and what it is for.',
  })
  create(@Req() request: AccessRequest, @Body() body: FreezeRequest): Promise<FreezeView> {
    return this.freezes.create(callerOf(request), body);
  }

  @Put(':freezeId')
  @Access({ permission: 'freeze:write', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(FreezeView, {
    faults: [RolloutFault.freeze_not_found, RolloutFault.freeze_active, RolloutFault.freeze_bad],
    description: 'Change a freeze that is not in force.',
  })
  change(
    @Req() request: AccessRequest,
    @Param('freezeId', IdPipe) freezeId: string,
    @Body() body: FreezeWindow,
  ): Promise<FreezeView> {
    return this.freezes.change(callerOf(request), freezeId, body);
  }

  @Delete(':freezeId')
  @Access({ permission: 'freeze:write', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(undefined, {
    faults: [RolloutFault.freeze_not_found, RolloutFault.freeze_active],
    description: 'Take a freeze back that is not in force.',
  })
  remove(@Req() request: AccessRequest, @Param('freezeId', IdPipe) freezeId: string): Promise<void> {
    return this.freezes.remove(callerOf(request), freezeId);
  }

  @Get(':freezeId/exceptions')
  @Access({ permission: 'freeze:read', org: 'orgId' })
  @Answers(ExceptionPage, {
    faults: [RolloutFault.freeze_not_found],
    description: 'The exceptions that were asked for, newest first.',
  })
  exceptions(
    @Req() request: AccessRequest,
    @Param('freezeId', IdPipe) freezeId: string,
    @Query() query: PageQuery,
  ): Promise<ExceptionPage> {
    return this.freezes.exceptions(callerOf(request), freezeId, query);
  }

  @Post(':freezeId/exceptions')
  @Access({ permission: 'rollout:plan', org: 'orgId' })
  @Answers(ExceptionView, {
    status: 201,
    faults: [
      RolloutFault.freeze_not_found,
      RolloutFault.freeze_bad,
      RolloutFault.not_found,
      RolloutFault.not_ready,
    ],
    description: 'Ask for an exception for one plan; it holds once the quorum for freezes has signed it.',
  })
  except(
    @Req() request: AccessRequest,
    @Param('freezeId', IdPipe) freezeId: string,
    @Body() body: ExceptionRequest,
  ): Promise<ExceptionView> {
    return this.freezes.except(callerOf(request), freezeId, body);
  }
}
