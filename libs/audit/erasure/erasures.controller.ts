import { Body, Controller, Get, Param, Post, Query, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf, PLATFORM } from '#access';
import { Answers, IdPipe, PageQuery } from '#http';
import type { Page } from '#kernel';
import { AuditFault } from '../audit.faults.ts';
import { EraseRequest, ErasurePage, ErasureView, EverywhereView } from './erasure.contract.ts';
import { ErasuresEverywhere } from './erasures-everywhere.ts';
import { Erasures } from './erasures.ts';

@Controller('api/v1/orgs/:orgId/audit/erasures')
export class ErasuresController {
  constructor(private readonly erasures: Erasures) {}

  @Post()
  @Access({ permission: 'audit:erase', org: 'orgId', stepUp: 'mfa', within: 300 })
  @Answers(ErasureView, {
    status: 202,
    faults: [AuditFault.on_hold],
    description:
      'Erase what is personal of one person from the log: salt and value are destroyed, hashes and proofs stay. ' +
      'It is done by a job; ask the erasure how far it is.',
  })
  request(@Req() request: AccessRequest, @Body() body: EraseRequest): Promise<ErasureView> {
    return this.erasures.request(callerOf(request), body.userId);
  }

  @Get()
  @Access({ permission: 'audit:erase', org: 'orgId' })
  @Answers(ErasurePage, { description: 'Erasures that were asked for, newest first.' })
  list(@Req() request: AccessRequest, @Query() query: PageQuery): Promise<Page<ErasureView>> {
    return this.erasures.list(callerOf(request), query);
  }

  @Get(':erasureId')
  @Access({ permission: 'audit:erase', org: 'orgId' })
  @Answers(ErasureView, { faults: [AuditFault.erasure_not_found], description: 'How far an erasure is.' })
  one(@Req() request: AccessRequest, @Param('erasureId', IdPipe) id: string): Promise<ErasureView> {
    return this.erasures.one(callerOf(request), id);
  }
}

@Controller('api/v1/platform/audit-erasures')
export class ErasuresEverywhereController {
  constructor(private readonly erasures: ErasuresEverywhere) {}

  @Post()
  @Access({ permission: 'audit:erase-everywhere', org: PLATFORM, stepUp: 'mfa', within: 300 })
  @Answers(EverywhereView, {
    status: 202,
    description:
      'Erase what is personal of one person from the logs of all organizations, deleted ones among them, each with ' +
      'its own records. It is done by jobs; ask the erasure how far it is.',
  })
  request(@Req() request: AccessRequest, @Body() body: EraseRequest): Promise<EverywhereView> {
    return this.erasures.request(callerOf(request), body.userId);
  }

  @Get(':erasureId')
  @Access({ permission: 'audit:erase-everywhere', org: PLATFORM })
  @Answers(EverywhereView, { faults: [AuditFault.erasure_not_found], description: 'How far an erasure is.' })
  one(@Req() request: AccessRequest, @Param('erasureId', IdPipe) id: string): Promise<EverywhereView> {
    return this.erasures.one(callerOf(request), id);
  }
}
