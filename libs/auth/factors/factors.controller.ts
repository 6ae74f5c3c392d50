import { Body, Controller, Delete, Get, Param, Post, Query, Req } from '@nestjs/common';
import { type AccessRequest, callerOf, SignedIn } from '#access';
import { Answers, IdPipe } from '#http';
import { RevokedView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { Factors } from './factors.ts';
import {
  AddedFactorView,
  ConfirmPasskeyRequest,
  ConfirmTotpRequest,
  EnrolmentView,
  FactorsView,
  RecoveryCodesView,
  RemoveFactorQuery,
} from './factors.contract.ts';

const shared = [AuthFault.sessions_only, AuthFault.step_up_required];
const confirmed = [
  ...shared,
  AuthFault.invalid_challenge,
  AuthFault.factor_refused,
  AuthFault.too_many_factors,
];

@Controller('api/v1/auth/factors')
export class FactorsController {
  constructor(private readonly factors: Factors) {}

  @Get()
  @SignedIn('everyone may see their own factors')
  @Answers(FactorsView, {
    faults: [AuthFault.sessions_only],
    description: 'Your second factors and passkeys.',
  })
  own(@Req() request: AccessRequest): Promise<FactorsView> {
    return this.factors.own(callerOf(request));
  }

  @Post('totp')
  @SignedIn('everyone may add factors of their own', { stepUp: 'mfa', within: 300 })
  @Answers(EnrolmentView, { faults: shared, description: 'Begin to add an authenticator app.' })
  beginTotp(@Req() request: AccessRequest): Promise<EnrolmentView> {
    return this.factors.begin(callerOf(request), 'enroll_totp');
  }

  @Post('totp/confirm')
  @SignedIn('everyone may add factors of their own', { stepUp: 'mfa', within: 300 })
  @Answers(AddedFactorView, {
    status: 201,
    faults: confirmed,
    description: 'Add the authenticator app, by a code that it shows.',
  })
  confirmTotp(@Req() request: AccessRequest, @Body() body: ConfirmTotpRequest): Promise<AddedFactorView> {
    return this.factors.confirm(callerOf(request), 'enroll_totp', body);
  }

  @Post('passkeys')
  @SignedIn('everyone may add factors of their own', { stepUp: 'mfa', within: 300 })
  @Answers(EnrolmentView, {
    faults: [...shared, AuthFault.passkeys_unavailable],
    description: 'Begin to add a passkey.',
  })
  beginPasskey(@Req() request: AccessRequest): Promise<EnrolmentView> {
    return this.factors.begin(callerOf(request), 'enroll_passkey');
  }

  @Post('passkeys/confirm')
  @SignedIn('everyone may add factors of their own', { stepUp: 'mfa', within: 300 })
  @Answers(AddedFactorView, {
    status: 201,
    faults: [...confirmed, AuthFault.passkey_known, AuthFault.passkeys_unavailable],
    description: 'Add the passkey that the browser has made.',
  })
  confirmPasskey(
    @Req() request: AccessRequest,
    @Body() body: ConfirmPasskeyRequest,
  ): Promise<AddedFactorView> {
    return this.factors.confirm(callerOf(request), 'enroll_passkey', body);
  }

  @Post('recovery-codes')
  @SignedIn('everyone may renew their own recovery codes', { stepUp: 'mfa', within: 300 })
  @Answers(RecoveryCodesView, {
    faults: [...shared, AuthFault.factor_not_found],
    description: 'Get new recovery codes; those before work no more.',
  })
  renewCodes(@Req() request: AccessRequest): Promise<RecoveryCodesView> {
    return this.factors.renewCodes(callerOf(request));
  }

  @Delete(':factorId')
  @SignedIn('everyone may remove factors of their own', { stepUp: 'mfa', within: 300 })
  @Answers(RevokedView, {
    faults: [...shared, AuthFault.factor_not_found, AuthFault.factor_required],
    description: 'Remove a factor. When this answers, no replica accepts a session that stands on it.',
  })
  async remove(
    @Req() request: AccessRequest,
    @Param('factorId', IdPipe) factorId: string,
    @Query() query: RemoveFactorQuery,
  ): Promise<RevokedView> {
    const endOthers = query.endOtherSessions ?? true;
    return { revoked: await this.factors.remove(callerOf(request), factorId, endOthers) };
  }
}
