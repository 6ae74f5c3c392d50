import { Body, Controller, Get, Param, Post, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, Public } from '#access';
import { Answers, IdPipe, SlugPipe } from '#http';
import { RolloutFault } from '../rollout.faults.ts';
import { Callbacks } from './callbacks.ts';
import { CallbackRequest, GateList, ManualRequest } from './gate.contract.ts';
import { GateResults } from './gate-results.ts';

@Controller('api/v1/orgs/:orgId/rollouts/:rolloutId/gates')
export class GatesController {
  constructor(private readonly results: GateResults) {}

  @Get()
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(GateList, {
    faults: [RolloutFault.not_found, RolloutFault.not_ready],
    description: 'Every gate, judged now. Only pass passes.',
  })
  list(@Req() request: AccessRequest, @Param('rolloutId', IdPipe) rolloutId: string): Promise<GateList> {
    return this.results.list(callerOf(request), rolloutId);
  }

  @Post(':gate')
  @Access({ permission: 'rollout:sign-off', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(GateList, {
    faults: [
      RolloutFault.not_found,
      RolloutFault.not_ready,
      RolloutFault.gate_not_found,
      RolloutFault.gate_not_yours,
      RolloutFault.digest_changed,
      RolloutFault.duty_conflict,
      RolloutFault.needs_person,
    ],
    description: 'Say what a manual gate says, of the digest that you looked at.',
  })
  say(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Param('gate', SlugPipe) gate: string,
    @Body() body: ManualRequest,
  ): Promise<GateList> {
    return this.results.say(callerOf(request), rolloutId, gate, body);
  }

  @Post(':gate/check')
  @Access({ permission: 'rollout:plan', org: 'orgId' })
  @Answers(undefined, {
    status: 202,
    faults: [RolloutFault.not_found, RolloutFault.not_ready, RolloutFault.gate_not_found],
    description: 'Have a check run; its result shows at the gates once it is there.',
  })
  check(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Param('gate', SlugPipe) gate: string,
  ): Promise<void> {
    return this.results.check(callerOf(request), rolloutId, gate);
  }
}

@Controller('api/v1/rollout-callbacks')
export class CallbacksController {
  constructor(private readonly callbacks: Callbacks) {}

  @Post(':hookId')
  @Public(
    'the call-back proves by its signature that it comes from whom the organization gave the secret of the hook',
  )
  @Answers(undefined, {
    faults: [
      RolloutFault.callback_refused,
      RolloutFault.callback_late,
      RolloutFault.callback_replayed,
      RolloutFault.digest_changed,
    ],
    description: 'What an external gate says of a rollout. Signed, and taken once.',
  })
  take(@Param('hookId', IdPipe) hookId: string, @Body() body: CallbackRequest): Promise<void> {
    return this.callbacks.take(hookId, body);
  }
}
