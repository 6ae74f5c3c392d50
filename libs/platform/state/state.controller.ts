import { Body, Controller, Get, Post, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM, WhileReadOnly } from '#access';
import { Answers } from '#http';
import { SetSystemStateRequest, SystemStateView } from './state.contract.ts';
import { SystemControl } from './system-control.ts';

@Controller('api/v1/platform/system-state')
export class SystemStateController {
  constructor(private readonly control: SystemControl) {}

  @Get()
  @Access({ permission: 'platform:read', org: PLATFORM })
  @Answers(SystemStateView, { description: 'Whether changes are taken, and if not why.' })
  read(@Req() request: AccessRequest): Promise<SystemStateView> {
    return this.control.read(callerOf(request));
  }

  @Post()
  @WhileReadOnly('it is the way out of that state')
  @Access({ permission: 'system:control', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(SystemStateView, {
    status: 200,
    description: 'Make the deployment read-only, or end that. When this answers, every replica goes by it.',
  })
  set(@Req() request: AccessRequest, @Body() body: SetSystemStateRequest): Promise<SystemStateView> {
    return this.control.set(callerOf(request), body);
  }
}
