import { Body, Controller, Get, Header, Param, Post, Put, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe } from '#http';
import { SecretFault } from '#secrets';
import { Reports } from '../report/report.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { SignOffList, SignOffRequest } from '../signoff/signoff.contract.ts';
import { SignOffs } from '../signoff/sign-offs.ts';
import { PlanRequest } from './plan.contract.ts';
import { Planning } from './planning.ts';
import {
  MoveList,
  RolloutReasonRequest,
  RolloutDetailView,
  RolloutPage,
  RolloutQuery,
  RolloutRequest,
} from '../lifecycle/rollout.contract.ts';
import { Rollouts } from './rollouts.ts';
import { detailView } from '../lifecycle/rollout-view.ts';

@Controller('api/v1/orgs/:orgId/rollouts')
export class RolloutsController {
  constructor(
    private readonly rollouts: Rollouts,
    private readonly planning: Planning,
    private readonly signOffs: SignOffs,
    private readonly reports: Reports,
  ) {}

  @Get()
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(RolloutPage, { description: 'Rollouts, newest first.' })
  list(@Req() request: AccessRequest, @Query() query: RolloutQuery): Promise<RolloutPage> {
    return this.rollouts.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'rollout:plan', org: 'orgId' })
  @Answers(RolloutDetailView, {
    status: 201,
    faults: [RolloutFault.policy_not_found, RolloutFault.not_found, RolloutFault.wrong_state],
    description: 'Write a rollout, under a policy.',
  })
  create(@Req() request: AccessRequest, @Body() body: RolloutRequest): Promise<RolloutDetailView> {
    return this.rollouts.create(callerOf(request), body);
  }

  @Get(':rolloutId')
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(RolloutDetailView, {
    faults: [RolloutFault.not_found],
    description: 'One rollout with its plan and the digest of it.',
  })
  read(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
  ): Promise<RolloutDetailView> {
    return this.rollouts.read(callerOf(request), rolloutId);
  }

  @Put(':rolloutId/plan')
  @Access({ permission: 'rollout:plan', org: 'orgId' })
  @Answers(RolloutDetailView, {
    faults: [
      RolloutFault.not_found,
      RolloutFault.wrong_state,
      RolloutFault.bad_plan,
      RolloutFault.unknown_command,
      RolloutFault.forbidden_secret_provisioning,
      RolloutFault.forbidden_business_action,
      RolloutFault.forbidden_destruction,
      SecretFault.unavailable,
      SecretFault.store_refused,
    ],
    description: 'Seal a plan. Another plan voids the sign-offs; the same one keeps them.',
  })
  async plan(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: PlanRequest,
  ): Promise<RolloutDetailView> {
    return detailView(await this.planning.plan(callerOf(request), rolloutId, body));
  }

  @Post(':rolloutId/review')
  @Access({ permission: 'rollout:plan', org: 'orgId' })
  @Answers(RolloutDetailView, {
    faults: [RolloutFault.not_found, RolloutFault.wrong_state, RolloutFault.not_ready],
    description: 'Open the review of a sealed plan.',
  })
  review(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
  ): Promise<RolloutDetailView> {
    return this.rollouts.openReview(callerOf(request), rolloutId);
  }

  @Post(':rolloutId/withdraw')
  @Access({ permission: 'rollout:plan', org: 'orgId' })
  @Answers(RolloutDetailView, {
    faults: [RolloutFault.not_found, RolloutFault.wrong_state, RolloutFault.not_ready],
    description: 'Withdraw a rollout that has not begun.',
  })
  withdraw(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: RolloutReasonRequest,
  ): Promise<RolloutDetailView> {
    return this.rollouts.withdraw(callerOf(request), rolloutId, body.reason);
  }

  @Get(':rolloutId/sign-offs')
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(SignOffList, {
    faults: [RolloutFault.not_found],
    description: 'Who signed what, and whether it counts now.',
  })
  listSignOffs(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
  ): Promise<SignOffList> {
    return this.signOffs.list(callerOf(request), rolloutId);
  }

  @Post(':rolloutId/sign-offs')
  @Access({ permission: 'rollout:sign-off', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RolloutDetailView, {
    faults: [
      RolloutFault.not_found,
      RolloutFault.wrong_state,
      RolloutFault.not_ready,
      RolloutFault.expired,
      RolloutFault.digest_changed,
      RolloutFault.duty_conflict,
      RolloutFault.needs_person,
    ],
    description: 'Sign off, or deny, the digest that you saw. Only people do, with a fresh proof.',
  })
  signOff(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: SignOffRequest,
  ): Promise<RolloutDetailView> {
    return this.signOffs.sign(callerOf(request), rolloutId, body);
  }

  @Get(':rolloutId/history')
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(MoveList, { faults: [RolloutFault.not_found], description: 'Every state it was in, and why.' })
  history(@Req() request: AccessRequest, @Param('rolloutId', IdPipe) rolloutId: string): Promise<MoveList> {
    return this.rollouts.history(callerOf(request), rolloutId);
  }

  @Get(':rolloutId/report')
  @Access({ permission: ['rollout:read', 'risk:read', 'evidence:read'], org: 'orgId' })
  @Header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
  @Answers(undefined, {
    faults: [RolloutFault.not_found],
    contentType: 'text/html; charset=utf-8',
    description: 'The whole change on one page, which prints well.',
  })
  report(@Req() request: AccessRequest, @Param('rolloutId', IdPipe) rolloutId: string): Promise<string> {
    return this.reports.ofRollout(callerOf(request), rolloutId);
  }
}
