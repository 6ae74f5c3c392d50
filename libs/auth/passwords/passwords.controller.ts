import { Body, Controller, Post, Req } from '@nestjs/common';
import { type AccessRequest, callerOf, Public, SignedIn } from '#access';
import { Answers } from '#http';
import { RevokedView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { PasswordChanges } from './password-changes.ts';
import { PasswordResets } from './password-resets.ts';
import {
  ChangePasswordRequest,
  CompletePasswordResetRequest,
  RequestPasswordResetRequest,
} from './passwords.contract.ts';

@Controller('api/v1/auth/password')
export class PasswordsController {
  constructor(
    private readonly changes: PasswordChanges,
    private readonly resets: PasswordResets,
  ) {}

  @Post()
  @SignedIn('everyone may change their own password')
  @Answers(RevokedView, {
    faults: [
      AuthFault.sessions_only,
      AuthFault.current_password_wrong,
      AuthFault.password_unchanged,
      AuthFault.password_refused,
      AuthFault.busy,
      AuthFault.too_many_requests,
    ],
    description: 'Change your password and end your other sessions.',
  })
  async change(@Req() request: AccessRequest, @Body() body: ChangePasswordRequest): Promise<RevokedView> {
    return { revoked: await this.changes.change(callerOf(request), body) };
  }

  @Post('reset')
  @Public('who forgot the password is not signed in; the link goes to the address alone')
  @Answers(undefined, {
    status: 202,
    faults: [AuthFault.too_many_requests],
    description: 'Have a link mailed to set a new password, where the address is an account’s.',
  })
  request(@Body() body: RequestPasswordResetRequest, @Req() request: AccessRequest): Promise<void> {
    return this.resets.request(body.email, request.facts);
  }

  @Post('reset/complete')
  @Public('the token of the link is the credential')
  @Answers(RevokedView, {
    faults: [
      AuthFault.invalid_reset,
      AuthFault.password_refused,
      AuthFault.busy,
      AuthFault.too_many_requests,
    ],
    description: 'Set a new password by a link. Works once and does not sign in.',
  })
  async complete(
    @Body() body: CompletePasswordResetRequest,
    @Req() request: AccessRequest,
  ): Promise<RevokedView> {
    return { revoked: await this.resets.complete(body, request.facts) };
  }
}
