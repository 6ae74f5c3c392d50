import { Controller, Get, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers } from '#http';
import { LogVerification } from './log-verification.ts';
import { VerificationView } from './verification.contract.ts';

@Controller('api/v1/orgs/:orgId/audit/verification')
export class VerificationController {
  constructor(private readonly verification: LogVerification) {}

  @Get()
  @Access({ permission: 'audit:read', org: 'orgId' })
  @Answers(VerificationView, {
    description:
      'What the server itself found when it last verified the log, which it does every hour. Proof for others is `portcullis audit verify`.',
  })
  posture(@Req() request: AccessRequest): Promise<VerificationView> {
    return this.verification.posture(callerOf(request));
  }
}
