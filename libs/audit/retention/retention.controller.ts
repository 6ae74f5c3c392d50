import { Body, Controller, Delete, Get, Put, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers } from '#http';
import { AuditFault } from '../audit.faults.ts';
import { HoldRequest, HoldView, RetentionRequest, RetentionView } from './retention.contract.ts';
import { Retention } from './retention.ts';

@Controller('api/v1/orgs/:orgId/audit')
export class RetentionController {
  constructor(private readonly retention: Retention) {}

  @Get('retention')
  @Access({ permission: 'audit:read', org: 'orgId' })
  @Answers(RetentionView, { description: 'How long events are kept, and what is gone.' })
  read(@Req() request: AccessRequest): Promise<RetentionView> {
    return this.retention.read(callerOf(request));
  }

  @Put('retention')
  @Access({ permission: 'audit:retain', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RetentionView, {
    description:
      'Keep events for so many days. Older ones are dropped, from the beginning of the log and only where a ' +
      'checkpoint that is as old covers them; their hashes stay, so that everything else can still be proven.',
  })
  change(@Req() request: AccessRequest, @Body() body: RetentionRequest): Promise<RetentionView> {
    return this.retention.change(callerOf(request), body.retentionDays);
  }

  @Get('hold')
  @Access({ permission: 'audit:read', org: 'orgId' })
  @Answers(HoldView, { faults: [AuditFault.hold_not_found], description: 'The legal hold, if there is one.' })
  hold(@Req() request: AccessRequest): Promise<HoldView> {
    return this.retention.hold(callerOf(request));
  }

  @Put('hold')
  @Access({ permission: 'audit:hold', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(HoldView, {
    description: 'Place a legal hold. From the answer on nothing is erased from the log and nothing dropped.',
  })
  placeHold(@Req() request: AccessRequest, @Body() body: HoldRequest): Promise<HoldView> {
    return this.retention.placeHold(callerOf(request), body.reason);
  }

  @Delete('hold')
  @Access({ permission: 'audit:hold', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(undefined, { faults: [AuditFault.hold_not_found], description: 'Lift the legal hold.' })
  liftHold(@Req() request: AccessRequest): Promise<void> {
    return this.retention.liftHold(callerOf(request));
  }
}
