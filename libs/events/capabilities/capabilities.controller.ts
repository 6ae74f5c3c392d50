import { Body, Controller, Get, Param, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe, PageQuery, pageViewOf } from '#http';
import type { Page } from '#kernel';
import {
  AdmitRequest,
  CapabilitiesQuery,
  CapabilityDetailView,
  CapabilityView,
  HistoryEntryView,
  ManifestFields,
  ReasonRequest,
  StepQuery,
  StepView,
} from './capability.contract.ts';
import { CapabilityFault } from './capability.faults.ts';
import { CapabilityRegistry } from './capability-registry.ts';

const STEP = [CapabilityFault.not_found, CapabilityFault.wrong_state] as const;

@Controller('api/v1/orgs/:orgId/capabilities')
export class CapabilitiesController {
  constructor(private readonly registry: CapabilityRegistry) {}

  @Get()
  @Access({ permission: 'capability:read', org: 'orgId' })
  @Answers(pageViewOf(CapabilityView), { description: 'Versions of capabilities, newest first.' })
  list(@Req() request: AccessRequest, @Query() query: CapabilitiesQuery): Promise<Page<CapabilityView>> {
    return this.registry.list(callerOf(request), query);
  }

  @Post()
  @Access({ permission: 'capability:propose', org: 'orgId' })
  @Answers(CapabilityView, {
    status: 201,
    faults: [CapabilityFault.bad_manifest, CapabilityFault.exists],
    description: 'Propose a version of a capability by its manifest.',
  })
  propose(@Req() request: AccessRequest, @Body() body: ManifestFields): Promise<CapabilityView> {
    return this.registry.propose(callerOf(request), body);
  }

  @Get(':capabilityId')
  @Access({ permission: 'capability:read', org: 'orgId' })
  @Answers(CapabilityDetailView, {
    faults: [CapabilityFault.not_found],
    description: 'One version, its manifest, and who depends on it.',
  })
  read(
    @Req() request: AccessRequest,
    @Param('capabilityId', IdPipe) id: string,
  ): Promise<CapabilityDetailView> {
    return this.registry.read(callerOf(request), id);
  }

  @Get(':capabilityId/history')
  @Access({ permission: 'capability:read', org: 'orgId' })
  @Answers(pageViewOf(HistoryEntryView), {
    faults: [CapabilityFault.not_found],
    description: 'Every step of its life, newest first.',
  })
  history(
    @Req() request: AccessRequest,
    @Param('capabilityId', IdPipe) id: string,
    @Query() query: PageQuery,
  ): Promise<Page<HistoryEntryView>> {
    return this.registry.history(callerOf(request), id, query);
  }

  @Post(':capabilityId/admit')
  @Access({ permission: 'capability:admit', org: 'orgId' })
  @Answers(StepView, {
    faults: [
      ...STEP,
      CapabilityFault.other_manifest,
      CapabilityFault.not_admissible,
      CapabilityFault.too_many,
    ],
    description: 'Admit it where nothing stands against that; with dryRun, only tell what does.',
  })
  admit(
    @Req() request: AccessRequest,
    @Param('capabilityId', IdPipe) id: string,
    @Query() query: StepQuery,
    @Body() body: AdmitRequest,
  ): Promise<StepView> {
    return this.registry.admit(callerOf(request), id, body, query.dryRun);
  }

  @Post(':capabilityId/activate')
  @Access({ permission: 'capability:admit', org: 'orgId' })
  @Answers(StepView, {
    faults: [...STEP, CapabilityFault.not_admissible, CapabilityFault.too_many],
    description: 'Make it the active version; the one before goes back to admitted. dryRun as for admit.',
  })
  activate(
    @Req() request: AccessRequest,
    @Param('capabilityId', IdPipe) id: string,
    @Query() query: StepQuery,
  ): Promise<StepView> {
    return this.registry.activate(callerOf(request), id, query.dryRun);
  }

  @Post(':capabilityId/quarantine')
  @Access({ permission: 'capability:quarantine', org: 'orgId' })
  @Answers(CapabilityView, {
    faults: STEP,
    description: 'Stop everything bound to it, in every process, by the time this answers.',
  })
  quarantine(
    @Req() request: AccessRequest,
    @Param('capabilityId', IdPipe) id: string,
    @Body() body: ReasonRequest,
  ): Promise<CapabilityView> {
    return this.registry.quarantine(callerOf(request), id, body.reason);
  }

  @Post(':capabilityId/revoke')
  @Access({ permission: 'capability:revoke', org: 'orgId' })
  @Answers(CapabilityView, { faults: STEP, description: 'The same, for ever.' })
  revoke(
    @Req() request: AccessRequest,
    @Param('capabilityId', IdPipe) id: string,
    @Body() body: ReasonRequest,
  ): Promise<CapabilityView> {
    return this.registry.revoke(callerOf(request), id, body.reason);
  }
}
