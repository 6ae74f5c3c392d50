import { Controller, Delete, Get, Param, Post, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM, WhileReadOnly } from '#access';
import { Answers } from '#http';
import { AuthFault } from '../auth.faults.ts';
import { KidPipe } from './kid.pipe.ts';
import { SigningKeyRotation } from './signing-key-rotation.ts';
import { SigningKeysView } from './signing.contract.ts';

const ENDS = 'it ends authority, which waits for nothing';

@Controller('api/v1/platform/signing-keys')
export class SigningKeysController {
  constructor(private readonly rotation: SigningKeyRotation) {}

  @Get()
  @Access({ permission: 'crypto:read', org: PLATFORM })
  @Answers(SigningKeysView, { description: 'The keys that sign access tokens, without their secrets.' })
  list(@Req() request: AccessRequest): Promise<SigningKeysView> {
    return this.rotation.list(callerOf(request));
  }

  @Post('rotate')
  @Access({ permission: 'crypto:rotate', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(SigningKeysView, {
    faults: [AuthFault.next_key_too_new],
    description:
      'Let the next key sign from now on. What the one before signed is accepted until it expires.',
  })
  rotate(@Req() request: AccessRequest): Promise<SigningKeysView> {
    return this.rotation.rotate(callerOf(request));
  }

  @Delete(':kid')
  @WhileReadOnly(ENDS)
  @Access({ permission: 'crypto:rotate', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(undefined, {
    faults: [AuthFault.signing_key_not_found, AuthFault.bad_key_id],
    description:
      'Withdraw a key that may be in wrong hands. When this answers, no replica accepts a token that it signed; sessions live on and refresh.',
  })
  withdraw(@Req() request: AccessRequest, @Param('kid', KidPipe) kid: string): Promise<void> {
    return this.rotation.withdraw(callerOf(request), kid);
  }
}
