import { Body, Controller, Get, Param, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { BreakGlass } from '../breakglass/break-glass.ts';
import {
  BreakGlassPage,
  BreakGlassRequest,
  BreakGlassView,
  ReviewRequest,
} from '../breakglass/break-glass.contract.ts';
import { Answers, IdPipe, PageQuery } from '#http';
import { RolloutReasonRequest, RolloutDetailView, StepList } from '../lifecycle/rollout.contract.ts';
import { Recovery } from '../recovery/recovery.ts';
import { RecoveryView, RepairRequest, RollbackRequest } from '../recovery/recovery.contract.ts';
import { RolloutFault } from '../rollout.faults.ts';
import { ConfirmRequest, VerifyRequest } from './apply.contract.ts';
import { Applying } from './applying.ts';

const begins = [
  RolloutFault.not_found,
  RolloutFault.wrong_state,
  RolloutFault.not_ready,
  RolloutFault.expired,
  RolloutFault.diverged,
  RolloutFault.gates_closed,
  RolloutFault.duty_conflict,
];
const moves = [RolloutFault.not_found, RolloutFault.wrong_state, RolloutFault.not_ready];

@Controller('api/v1/orgs/:orgId/rollouts/:rolloutId')
export class ApplyController {
  constructor(
    private readonly applying: Applying,
    private readonly recovery: Recovery,
    private readonly breakGlass: BreakGlass,
  ) {}

  @Post('confirm')
  @Access({ permission: 'rollout:apply', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RolloutDetailView, {
    faults: [
      ...moves,
      RolloutFault.confirmation_needed,
      RolloutFault.duty_conflict,
      RolloutFault.needs_person,
    ],
    description: 'Confirm in words, typed, that steps are irreversible.',
  })
  confirm(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: ConfirmRequest,
  ): Promise<RolloutDetailView> {
    return this.applying.confirm(callerOf(request), rolloutId, body.confirmation);
  }

  @Post('arm')
  @Access({ permission: 'rollout:apply', org: 'orgId' })
  @Answers(RolloutDetailView, {
    faults: begins,
    description: 'Arm what was signed off: every gate is judged.',
  })
  arm(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
  ): Promise<RolloutDetailView> {
    return this.applying.arm(callerOf(request), rolloutId);
  }

  @Post('execute')
  @Access({ permission: 'rollout:apply', org: 'orgId' })
  @Answers(RolloutDetailView, {
    faults: [...begins, RolloutFault.target_locked],
    description: 'Execute: every gate is judged again, the targets are read again and held.',
  })
  execute(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
  ): Promise<RolloutDetailView> {
    return this.applying.execute(callerOf(request), rolloutId);
  }

  @Get('steps')
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(StepList, { faults: [RolloutFault.not_found], description: 'The journal of what was done.' })
  steps(@Req() request: AccessRequest, @Param('rolloutId', IdPipe) rolloutId: string): Promise<StepList> {
    return this.applying.steps(callerOf(request), rolloutId);
  }

  @Post('pause')
  @Access({ permission: 'rollout:apply', org: 'orgId' })
  @Answers(RolloutDetailView, { faults: moves, description: 'Begin no further step.' })
  pause(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: RolloutReasonRequest,
  ): Promise<RolloutDetailView> {
    return this.applying.pause(callerOf(request), rolloutId, body.reason);
  }

  @Post('resume')
  @Access({ permission: 'rollout:apply', org: 'orgId' })
  @Answers(RolloutDetailView, {
    faults: [...moves, RolloutFault.gates_closed, RolloutFault.diverged, RolloutFault.break_glass_ended],
    description: 'Go on with what was paused.',
  })
  resume(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
  ): Promise<RolloutDetailView> {
    return this.applying.resume(callerOf(request), rolloutId);
  }

  @Post('stop')
  @Access({ permission: 'rollout:apply', org: 'orgId' })
  @Answers(RolloutDetailView, {
    faults: moves,
    description: 'Stop for good: an operator decides how it goes on.',
  })
  stop(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: RolloutReasonRequest,
  ): Promise<RolloutDetailView> {
    return this.applying.stop(callerOf(request), rolloutId, body.reason);
  }

  @Post('verify')
  @Access({ permission: 'rollout:verify', org: 'orgId' })
  @Answers(RolloutDetailView, {
    faults: [...moves, RolloutFault.duty_conflict, RolloutFault.needs_person],
    description: 'Say whether what was carried out does what it should.',
  })
  verify(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: VerifyRequest,
  ): Promise<RolloutDetailView> {
    return this.applying.verify(callerOf(request), rolloutId, body.passed, body.comment);
  }

  @Get('recovery')
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(RecoveryView, {
    faults: [RolloutFault.not_found, RolloutFault.not_ready],
    description: 'What the journal says is best, and which target holds which version.',
  })
  look(@Req() request: AccessRequest, @Param('rolloutId', IdPipe) rolloutId: string): Promise<RecoveryView> {
    return this.recovery.look(callerOf(request), rolloutId);
  }

  @Post('repair')
  @Access({ permission: 'rollout:recover', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RolloutDetailView, {
    faults: [
      ...moves,
      RolloutFault.nothing_to_answer,
      RolloutFault.rerun_not_safe,
      RolloutFault.diverged,
      RolloutFault.gates_closed,
      RolloutFault.break_glass_ended,
      RolloutFault.needs_person,
    ],
    description: 'Say what became of the step that keeps the rollout, and go on.',
  })
  repair(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: RepairRequest,
  ): Promise<RolloutDetailView> {
    return this.recovery.repair(callerOf(request), rolloutId, body);
  }

  @Post('rollback')
  @Access({ permission: 'rollout:recover', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RolloutDetailView, {
    faults: [
      ...moves,
      RolloutFault.recovery_missing,
      RolloutFault.rollback_unsigned,
      RolloutFault.rollback_targets,
      RolloutFault.duty_conflict,
      RolloutFault.gates_closed,
      RolloutFault.confirmation_needed,
      RolloutFault.target_locked,
      RolloutFault.needs_person,
    ],
    description: 'Take back what was done to the targets that were touched, or to some of them.',
  })
  rollBack(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: RollbackRequest,
  ): Promise<RolloutDetailView> {
    return this.recovery.rollBack(callerOf(request), rolloutId, body);
  }

  @Post('close')
  @Access({ permission: 'rollout:recover', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RolloutDetailView, {
    faults: [...moves, RolloutFault.needs_person],
    description: 'End a rollout that is neither repaired nor rolled back.',
  })
  close(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: RolloutReasonRequest,
  ): Promise<RolloutDetailView> {
    return this.recovery.close(callerOf(request), rolloutId, body.reason);
  }

  @Post('break-glass')
  @Access({ permission: 'rollout:break-glass', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(RolloutDetailView, {
    faults: [
      ...moves,
      RolloutFault.digest_changed,
      RolloutFault.break_glass_irreversible,
      RolloutFault.diverged,
      RolloutFault.target_locked,
      RolloutFault.needs_person,
    ],
    description: 'Execute before sign-off, for an incident. On record, told to others, and reviewed.',
  })
  open(
    @Req() request: AccessRequest,
    @Param('rolloutId', IdPipe) rolloutId: string,
    @Body() body: BreakGlassRequest,
  ): Promise<RolloutDetailView> {
    return this.breakGlass.open(callerOf(request), rolloutId, body);
  }
}

@Controller('api/v1/orgs/:orgId/break-glass')
export class BreakGlassController {
  constructor(private readonly breakGlass: BreakGlass) {}

  @Get()
  @Access({ permission: 'rollout:read', org: 'orgId' })
  @Answers(BreakGlassPage, { description: 'Every use of a break-glass, and whether it was reviewed.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<BreakGlassPage> {
    return this.breakGlass.list(callerOf(request), query);
  }

  @Post(':breakGlassId/review')
  @Access({ permission: 'rollout:sign-off', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(BreakGlassView, {
    faults: [
      RolloutFault.break_glass_not_found,
      RolloutFault.break_glass_reviewed,
      RolloutFault.duty_conflict,
      RolloutFault.needs_person,
    ],
    description: 'Review the use of a break-glass by somebody else.',
  })
  review(
    @Req() request: AccessRequest,
    @Param('breakGlassId', IdPipe) breakGlassId: string,
    @Body() body: ReviewRequest,
  ): Promise<BreakGlassView> {
    return this.breakGlass.review(callerOf(request), breakGlassId, body.review);
  }
}
