import { Body, Controller, Get, Post, Req } from '@nestjs/common';
import { type AccessRequest, Public } from '#access';
import { AuthFault } from '#auth';
import { Answers } from '#http';
import { OrgFault } from '#orgs';
import { HealthView, ReadinessView, SetupRequest, SetupView } from './platform.contract.ts';
import { SystemFault } from './platform.faults.ts';
import { Readiness } from './readiness.ts';
import { Setup } from './setup.ts';

@Controller('api/v1/setup')
export class SetupController {
  constructor(private readonly setup: Setup) {}

  @Post()
  @Public('the set-up token is the credential', { duringSetup: true })
  @Answers(SetupView, {
    status: 201,
    faults: [
      SystemFault.invalid_setup_token,
      SystemFault.already_set_up,
      OrgFault.slug_taken,
      AuthFault.password_refused,
      AuthFault.busy,
    ],
    description: 'Make the first organization and its owner. Works once.',
  })
  run(@Body() body: SetupRequest, @Req() request: AccessRequest): Promise<SetupView> {
    return this.setup.run(body, request.facts);
  }
}

@Controller('health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get()
  @Public('says only that the process answers', { duringSetup: true })
  @Answers(HealthView, { description: 'The process is alive.' })
  live(): HealthView {
    return { status: 'ok' };
  }

  @Get('ready')
  @Public('names components, nothing secret', { duringSetup: true })
  @Answers(ReadinessView, {
    faults: [SystemFault.not_ready, SystemFault.setup_needed],
    description: 'The process can serve.',
  })
  ready(): Promise<ReadinessView> {
    return this.readiness.check();
  }
}
