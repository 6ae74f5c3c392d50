import { Body, Controller, Post, Req } from '@nestjs/common';
import { type AccessRequest, callerOf, SignedIn, WhileReadOnly } from '#access';
import { Answers } from '#http';
import { AuthFault } from '../auth.faults.ts';
import { StepUpRequest, StepUpView } from '../factors/factors.contract.ts';
import { StepUps } from './step-up.ts';

const SIGN_IN = 'who can end that state must be able to sign in, and reads go on';

@Controller('api/v1/auth/step-up')
export class StepUpController {
  constructor(private readonly stepUps: StepUps) {}

  @Post()
  @WhileReadOnly(SIGN_IN)
  @SignedIn('everyone may prove themselves again')
  @Answers(StepUpView, {
    faults: [
      AuthFault.sessions_only,
      AuthFault.invalid_challenge,
      AuthFault.factor_refused,
      AuthFault.method_not_offered,
      AuthFault.busy,
      AuthFault.too_many_requests,
    ],
    description:
      'Prove yourself again, as `data.challenge` of a refusal asks; the same access token goes on.',
  })
  answer(@Body() body: StepUpRequest, @Req() request: AccessRequest): Promise<StepUpView> {
    return this.stepUps.answer(callerOf(request), body);
  }
}
