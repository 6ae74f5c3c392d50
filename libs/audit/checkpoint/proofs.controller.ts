import { Body, Controller, Get, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM, Public } from '#access';
import { Answers } from '#http';
import { AuditFault } from '../audit.faults.ts';
import { AuditKeys } from './audit-keys.ts';
import {
  ConsistencyQuery,
  InclusionQuery,
  ProofView,
  RotateAuditKeyRequest,
  RotatedAuditKeyView,
} from './proofs.contract.ts';
import { Proofs } from './proofs.ts';

const TEXT = 'text/plain; charset=utf-8';

@Controller('api/v1/orgs/:orgId/audit')
export class ProofsController {
  constructor(private readonly proofs: Proofs) {}

  @Get('checkpoint')
  @Access({ permission: 'audit:export', org: 'orgId' })
  @Answers(undefined, {
    contentType: TEXT,
    faults: [
      AuditFault.fork_detected,
      AuditFault.log_altered,
      AuditFault.anchor_unreadable,
      AuditFault.signer_unavailable,
    ],
    description:
      'The size and root of the log as it is now, as a signed note (c2sp.org/tlog-checkpoint). The keys stand at /.well-known/audit-keys.',
  })
  checkpoint(@Req() request: AccessRequest): Promise<string> {
    return this.proofs.checkpoint(callerOf(request));
  }

  @Get('proofs/inclusion')
  @Access({ permission: 'audit:export', org: 'orgId' })
  @Answers(ProofView, {
    faults: [AuditFault.beyond_log, AuditFault.log_altered],
    description: 'Proves that the event at a position is in the tree of a size (RFC 6962 section 2.1.1).',
  })
  inclusion(@Req() request: AccessRequest, @Query() query: InclusionQuery): Promise<ProofView> {
    return this.proofs.inclusion(callerOf(request), query);
  }

  @Get('proofs/consistency')
  @Access({ permission: 'audit:export', org: 'orgId' })
  @Answers(ProofView, {
    faults: [AuditFault.beyond_log, AuditFault.log_altered],
    description: 'Proves that the tree of one size continues that of another (RFC 6962 section 2.1.2).',
  })
  consistency(@Req() request: AccessRequest, @Query() query: ConsistencyQuery): Promise<ProofView> {
    return this.proofs.consistency(callerOf(request), query);
  }
}

@Controller()
export class AuditKeysController {
  constructor(private readonly keys: AuditKeys) {}

  @Get('.well-known/audit-keys')
  @Public('public keys are public')
  @Answers(undefined, {
    contentType: TEXT,
    faults: [AuditFault.signer_unavailable],
    description: 'The keys that verify checkpoints (c2sp.org/signed-note), newest first, one a line.',
  })
  published(): Promise<string> {
    return this.keys.published();
  }

  @Post('api/v1/platform/audit-keys/rotate')
  @Access({ permission: 'audit:rotate', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(RotatedAuditKeyView, {
    faults: [AuditFault.signer_unavailable],
    description:
      'Make a new key that signs checkpoints; in the secret store where that is configured, which is how they move there.',
  })
  rotate(@Req() request: AccessRequest, @Body() body: RotateAuditKeyRequest): Promise<RotatedAuditKeyView> {
    return this.keys.rotate(callerOf(request), body.overlapSeconds);
  }
}
