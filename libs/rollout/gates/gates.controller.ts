import { Body, Controller, Get, Param, Post, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, Signed } from '#access';
import { Answers, IdPipe, RawBody, SlugPipe } from '#http';
import { RolloutFault } from '../rollout.faults.ts';
import { Callbacks } from './callbacks.ts';
import { GateList, ManualRequest } from './gate.contract.ts';
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

/** Six short texts. */
const LIMIT = 4_096;

@Controller('api/v1/rollout-callbacks')
export class CallbacksController {
  constructor(private readonly callbacks: Callbacks) {}

  @Post(':hookId')
  @Signed(
    'rollout-hook',
    'an external gate holds no credential; it signs the body with the secret that the organization gave it',
  )
  @RawBody(LIMIT)
  @Answers(undefined, {
    faults: [
      RolloutFault.bad_hook_id,
      RolloutFault.callback_refused,
      RolloutFault.callback_late,
      RolloutFault.callback_replayed,
      RolloutFault.digest_changed,
    ],
    description:
      'What an external gate says of a rollout: rolloutId, gate, digest, verdict, observedAt, nonce. Signed by X-Portcullis-Signature, hexadecimal HMAC-SHA-256 of the body, and taken once.',
  })
  take(@Req() request: AccessRequest, @Param('hookId', IdPipe) _hookId: string): Promise<void> {
    return this.callbacks.take(request);
  }
}
