import { Body, Controller, Delete, Get, Param, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery, Sha256Pipe } from '#http';
import { RolloutFault } from '../rollout.faults.ts';
import { Evidence } from './evidence.ts';
import {
  AttachmentRequest,
  AttachmentView,
  EvidenceDetailView,
  EvidencePage,
  EvidenceQuery,
  EvidenceRequest,
  EvidenceKeyPage,
  EvidenceKeyRequest,
  EvidenceKeyView,
} from './evidence.contract.ts';
import { EvidenceKeys } from './evidence-keys.ts';

@Controller('api/v1/orgs/:orgId/evidence')
export class EvidenceController {
  constructor(private readonly evidence: Evidence) {}

  @Get()
  @Access({ permission: 'evidence:read', org: 'orgId' })
  @Answers(EvidencePage, { description: 'Evidence on record, of one subject where it is named.' })
  list(@Req() request: AccessRequest, @Query() query: EvidenceQuery): Promise<EvidencePage> {
    return this.evidence.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'evidence:write', org: 'orgId' })
  @Answers(EvidenceDetailView, {
    status: 201,
    faults: [RolloutFault.evidence_malformed, RolloutFault.evidence_unsigned, RolloutFault.evidence_exists],
    description:
      'Record a statement, which the organization signs, or an envelope that a trusted key signed.',
  })
  record(@Req() request: AccessRequest, @Body() body: EvidenceRequest): Promise<EvidenceDetailView> {
    return this.evidence.record(callerOf(request), body);
  }

  @Get(':evidenceId')
  @Access({ permission: 'evidence:read', org: 'orgId' })
  @Answers(EvidenceDetailView, {
    faults: [RolloutFault.evidence_not_found],
    description: 'One piece of evidence with its envelope, to be verified by anybody.',
  })
  read(
    @Req() request: AccessRequest,
    @Param('evidenceId', IdPipe) evidenceId: string,
  ): Promise<EvidenceDetailView> {
    return this.evidence.read(callerOf(request), evidenceId);
  }
}

@Controller('api/v1/orgs/:orgId/evidence-attachments')
export class AttachmentsController {
  constructor(private readonly evidence: Evidence) {}

  @Post()
  @Access({ permission: 'evidence:write', org: 'orgId' })
  @Answers(AttachmentView, {
    status: 201,
    faults: [RolloutFault.attachment_bad],
    description: 'Keep a file by its hash, for a statement to name it as a subject.',
  })
  attach(@Req() request: AccessRequest, @Body() body: AttachmentRequest): Promise<AttachmentView> {
    return this.evidence.attach(callerOf(request), body);
  }

  @Get(':sha256')
  @Access({ permission: 'evidence:read', org: 'orgId' })
  @Answers(undefined, {
    faults: [RolloutFault.attachment_not_found],
    contentType: 'application/octet-stream',
    description: 'The bytes of an attachment.',
  })
  attachment(@Req() request: AccessRequest, @Param('sha256', Sha256Pipe) sha256: string): Promise<Buffer> {
    return this.evidence.attachment(callerOf(request), sha256);
  }
}

@Controller('api/v1/orgs/:orgId/evidence-keys')
export class EvidenceKeysController {
  constructor(private readonly keys: EvidenceKeys) {}

  @Get()
  @Access({ permission: 'evidence:read', org: 'orgId' })
  @Answers(EvidenceKeyPage, { description: 'Keys whose signatures count as evidence.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<EvidenceKeyPage> {
    return this.keys.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'evidence:trust', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(EvidenceKeyView, {
    status: 201,
    faults: [
      RolloutFault.evidence_key_bad,
      RolloutFault.evidence_owner_unknown,
      RolloutFault.evidence_key_exists,
    ],
    description: 'Trust the key of somebody else; a person answers for it.',
  })
  register(@Req() request: AccessRequest, @Body() body: EvidenceKeyRequest): Promise<EvidenceKeyView> {
    return this.keys.register(callerOf(request), body);
  }

  @Delete(':evidenceKeyId')
  @Access({ permission: 'evidence:trust', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(undefined, {
    faults: [RolloutFault.evidence_key_not_found],
    description: 'Revoke a key: what it signed counts no longer.',
  })
  revoke(
    @Req() request: AccessRequest,
    @Param('evidenceKeyId', IdPipe) evidenceKeyId: string,
  ): Promise<void> {
    return this.keys.revoke(callerOf(request), evidenceKeyId);
  }
}
