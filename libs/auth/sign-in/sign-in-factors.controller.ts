import { Body, Controller, Post, Req } from '@nestjs/common';
import { AccessFault, type AccessRequest, Public, WhileReadOnly } from '#access';
import { Answers } from '#http';
import { AuthFault } from '../auth.faults.ts';
import {
  EnrolmentView,
  LoginEnrollRequest,
  LoginVerifyRequest,
  PasskeySignInView,
  VerifiedView,
} from '../factors/factors.contract.ts';
import { SignInFactors } from './sign-in-factors.ts';

const SIGN_IN = 'who can end that state must be able to sign in, and reads go on';

@Controller('api/v1/auth/login')
export class SignInFactorsController {
  constructor(private readonly factors: SignInFactors) {}

  @Post('passkey')
  @WhileReadOnly(SIGN_IN)
  @Public('it gives a challenge that only the owner of a passkey can answer')
  @Answers(PasskeySignInView, {
    faults: [AuthFault.passkeys_unavailable, AuthFault.too_many_requests],
    description: 'Begin to sign in by a passkey alone.',
  })
  passkey(@Req() request: AccessRequest): Promise<PasskeySignInView> {
    return this.factors.beginPasskey(request.facts);
  }

  @Post('enroll')
  @Public('the challenge is the credential')
  @Answers(EnrolmentView, {
    faults: [
      AuthFault.invalid_challenge,
      AuthFault.method_not_offered,
      AuthFault.passkeys_unavailable,
      AuthFault.too_many_requests,
    ],
    description: 'Begin the enrolment that a sign-in asks for; `login/verify` completes both.',
  })
  enroll(@Body() body: LoginEnrollRequest, @Req() request: AccessRequest): Promise<EnrolmentView> {
    return this.factors.enroll(body, request.facts);
  }

  @Post('verify')
  @WhileReadOnly(SIGN_IN)
  @Public('the challenge and the answer to it are the credential')
  @Answers(VerifiedView, {
    faults: [
      AuthFault.invalid_challenge,
      AuthFault.factor_refused,
      AuthFault.method_not_offered,
      AuthFault.mfa_required,
      AuthFault.password_change_required,
      AuthFault.organization_required,
      AuthFault.passkey_known,
      AuthFault.passkeys_unavailable,
      AuthFault.too_many_factors,
      AuthFault.too_many_requests,
      AccessFault.org_suspended,
    ],
    description: 'Answer the challenge of a sign-in; where nothing more is asked for, get a session.',
  })
  verify(@Body() body: LoginVerifyRequest, @Req() request: AccessRequest): Promise<VerifiedView> {
    return this.factors.verify(body, request.facts);
  }
}
