import { Body, Controller, Get, Post, Req } from '@nestjs/common';
import { type AccessRequest, Public, WhileReadOnly } from '#access';
import { Answers } from '#http';
import { AuthFault } from '../auth.faults.ts';
import { ReportedKeyRequest, SecretPatternsView } from './api-key.contract.ts';
import { KeyRevocation } from './key-revocation.ts';
import { secretPatterns } from './secret-patterns.ts';

const ENDS = 'it ends authority, which waits for nothing';

@Controller('api/v1/auth/api-keys')
export class ReportedKeysController {
  constructor(private readonly revocation: KeyRevocation) {}

  @Post('revoke')
  @WhileReadOnly(ENDS)
  @Public('whoever holds the key may end it')
  @Answers(undefined, {
    faults: [AuthFault.not_an_api_key, AuthFault.too_many_requests],
    description:
      'Hand in a key that leaked. If it was live, nothing accepts it any more when this answers; the answer is the same if not.',
  })
  revoke(@Body() body: ReportedKeyRequest, @Req() request: AccessRequest): Promise<void> {
    return this.revocation.report(body.key, request.facts);
  }
}

@Controller('.well-known')
export class SecretPatternsController {
  @Get('secret-patterns')
  @Public('so that secret scanners find what leaked')
  @Answers(SecretPatternsView, { description: 'How secrets of this product look, and where to report one.' })
  patterns(): SecretPatternsView {
    return secretPatterns;
  }
}
