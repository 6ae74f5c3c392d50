import { Controller, Post, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM } from '#access';
import { Answers } from '#http';
import { SecretFault } from '../secrets.faults.ts';
import { MasterKeyRotation } from './master-key-rotation.ts';
import { RewrappedView } from './rotation.contract.ts';

@Controller('api/v1/platform/master-key')
export class MasterKeyController {
  constructor(private readonly rotation: MasterKeyRotation) {}

  @Post('rewrap')
  @Access({ permission: 'crypto:rotate', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(RewrappedView, {
    faults: [SecretFault.wrong_master_key],
    description:
      'Wrap everything by the current master key. Once every process has both keys; then again, until `changed` is ' +
      'false. No secret is encrypted anew.',
  })
  rewrap(@Req() request: AccessRequest): Promise<RewrappedView> {
    return this.rotation.rewrap(callerOf(request));
  }
}
