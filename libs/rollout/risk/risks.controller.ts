import { Body, Controller, Delete, Get, Header, Param, Post, Put, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe } from '#http';
import { Reports } from '../report/report.ts';
import { RolloutFault } from '../rollout.faults.ts';
import {
  AcceptRequest,
  CloseRequest,
  RateRequest,
  RiskPage,
  RiskQuery,
  RiskRequest,
  RiskView,
} from './risk.contract.ts';
import { Risks } from './risks.ts';

@Controller('api/v1/orgs/:orgId/risks')
export class RisksController {
  constructor(
    private readonly risks: Risks,
    private readonly reports: Reports,
  ) {}

  @Get()
  @Access({ permission: 'risk:read', org: 'orgId' })
  @Answers(RiskPage, { description: 'The register of residual risks.' })
  list(@Req() request: AccessRequest, @Query() query: RiskQuery): Promise<RiskPage> {
    return this.risks.list(callerOf(request), query);
  }

  @Get('report')
  @Access({ permission: 'risk:read', org: 'orgId' })
  @Header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
  @Answers(undefined, {
    contentType: 'text/html; charset=utf-8',
    description: 'The register on one page, which prints well.',
  })
  report(@Req() request: AccessRequest, @Query() query: RiskQuery): Promise<string> {
    return this.reports.ofRisks(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'risk:write', org: 'orgId' })
  @Answers(RiskView, {
    status: 201,
    faults: [RolloutFault.not_found, RolloutFault.risk_bad],
    description: 'Raise a residual risk, of a rollout or of the organization.',
  })
  raise(@Req() request: AccessRequest, @Body() body: RiskRequest): Promise<RiskView> {
    return this.risks.raise(callerOf(request), body);
  }

  @Put(':riskId')
  @Access({ permission: 'risk:write', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RiskView, {
    faults: [
      RolloutFault.risk_not_found,
      RolloutFault.risk_closed,
      RolloutFault.risk_own,
      RolloutFault.risk_outranks,
      RolloutFault.needs_person,
    ],
    description:
      'Rate a risk anew. An acceptance of before is void. To rate it lower is for whom it may be closed by.',
  })
  rate(
    @Req() request: AccessRequest,
    @Param('riskId', IdPipe) riskId: string,
    @Body() body: RateRequest,
  ): Promise<RiskView> {
    return this.risks.rate(callerOf(request), riskId, body);
  }

  @Post(':riskId/acceptance')
  @Access({ permission: 'risk:accept', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RiskView, {
    faults: [
      RolloutFault.risk_not_found,
      RolloutFault.risk_closed,
      RolloutFault.risk_critical,
      RolloutFault.risk_outranks,
      RolloutFault.risk_own,
      RolloutFault.risk_bad,
      RolloutFault.needs_person,
    ],
    description: 'Accept a risk that your authority outranks, for a time, for the plan as it is now.',
  })
  accept(
    @Req() request: AccessRequest,
    @Param('riskId', IdPipe) riskId: string,
    @Body() body: AcceptRequest,
  ): Promise<RiskView> {
    return this.risks.accept(callerOf(request), riskId, body);
  }

  @Delete(':riskId/acceptance')
  @Access({ permission: 'risk:accept', org: 'orgId' })
  @Answers(RiskView, {
    faults: [RolloutFault.risk_not_found, RolloutFault.risk_closed],
    description: 'Withdraw the acceptance of a risk.',
  })
  withdraw(@Req() request: AccessRequest, @Param('riskId', IdPipe) riskId: string): Promise<RiskView> {
    return this.risks.withdraw(callerOf(request), riskId);
  }

  @Post(':riskId/close')
  @Access({ permission: ['risk:write', 'risk:accept'], org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RiskView, {
    faults: [
      RolloutFault.risk_not_found,
      RolloutFault.risk_closed,
      RolloutFault.risk_own,
      RolloutFault.risk_outranks,
      RolloutFault.needs_person,
    ],
    description: 'Close a risk that is no longer there.',
  })
  close(
    @Req() request: AccessRequest,
    @Param('riskId', IdPipe) riskId: string,
    @Body() body: CloseRequest,
  ): Promise<RiskView> {
    return this.risks.close(callerOf(request), riskId, body.reason);
  }
}
