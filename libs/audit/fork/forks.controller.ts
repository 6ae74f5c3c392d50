import { Body, Controller, Get, Param, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM, WhileReadOnly } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import type { Page } from '#kernel';
import { AuditFault } from '../audit.faults.ts';
import { AcknowledgeForkRequest, ForkPage, ForkView } from './fork.contract.ts';
import { Forks } from './forks.ts';

@Controller('api/v1/platform/audit-forks')
export class ForksController {
  constructor(private readonly forks: Forks) {}

  @Get()
  @Access({ permission: 'audit:acknowledge', org: PLATFORM })
  @Answers(ForkPage, {
    description: 'Logs that did not continue what was published of them, newest first; open ones among them.',
  })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<Page<ForkView>> {
    return this.forks.list(callerOf(request), query);
  }

  @Post(':organizationId/acknowledge')
  @WhileReadOnly('it is the way out of that state after a restore')
  @Access({ permission: 'audit:acknowledge', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(ForkView, {
    faults: [AuditFault.fork_not_found],
    description:
      'Acknowledge the fork of a log: it is signed and exported again from here, and the fork stays on record.',
  })
  acknowledge(
    @Req() request: AccessRequest,
    @Param('organizationId', IdPipe) organizationId: string,
    @Body() body: AcknowledgeForkRequest,
  ): Promise<ForkView> {
    return this.forks.acknowledge(callerOf(request), organizationId, body.reason);
  }
}
