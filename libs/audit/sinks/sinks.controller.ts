import { Body, Controller, Delete, Get, Param, Patch, Post, Req } from '@nestjs/common';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers, IdPipe } from '#http';
import { AuditFault } from '../audit.faults.ts';
import {
  CreateSinkRequest,
  ReplayRequest,
  SinkDetailView,
  SinkList,
  SinkTestView,
  SinkView,
  UpdateSinkRequest,
} from './sink.contract.ts';
import { SinkTests } from './sink-tests.ts';
import { Sinks } from './sinks.ts';

const WRITE_FAULTS = [AuditFault.bad_sink, AuditFault.sink_exists, AuditFault.file_sinks_closed] as const;

@Controller('api/v1/orgs/:orgId/audit/sinks')
export class SinksController {
  constructor(
    private readonly sinks: Sinks,
    private readonly tests: SinkTests,
  ) {}

  @Get()
  @Access({ permission: 'sink:read', org: 'orgId' })
  @Answers(SinkList, { description: 'Where the log is pushed to, and how far it has got there.' })
  list(@Req() request: AccessRequest): Promise<SinkList> {
    return this.sinks.list(callerOf(request));
  }

  @Post()
  @Access({ permission: 'sink:write', org: 'orgId' })
  @Answers(SinkView, {
    status: 201,
    faults: [...WRITE_FAULTS, AuditFault.too_many_sinks],
    description: 'Push the log to one more place.',
  })
  create(@Req() request: AccessRequest, @Body() body: CreateSinkRequest): Promise<SinkView> {
    return this.sinks.create(callerOf(request), body);
  }

  @Get(':sinkId')
  @Access({ permission: 'sink:read', org: 'orgId' })
  @Answers(SinkDetailView, {
    faults: [AuditFault.sink_not_found],
    description: 'One sink, with what it has refused for good.',
  })
  read(@Req() request: AccessRequest, @Param('sinkId', IdPipe) sinkId: string): Promise<SinkDetailView> {
    return this.sinks.read(callerOf(request), sinkId);
  }

  @Patch(':sinkId')
  @Access({ permission: 'sink:write', org: 'orgId' })
  @Answers(SinkView, {
    faults: [AuditFault.sink_not_found, ...WRITE_FAULTS],
    description: 'Change a sink; it is tried at once.',
  })
  update(
    @Req() request: AccessRequest,
    @Param('sinkId', IdPipe) sinkId: string,
    @Body() body: UpdateSinkRequest,
  ): Promise<SinkView> {
    return this.sinks.update(callerOf(request), sinkId, body);
  }

  @Delete(':sinkId')
  @Access({ permission: 'sink:write', org: 'orgId' })
  @Answers(undefined, {
    faults: [AuditFault.sink_not_found],
    description: 'Push the log there no longer; what is under way may still arrive.',
  })
  remove(@Req() request: AccessRequest, @Param('sinkId', IdPipe) sinkId: string): Promise<void> {
    return this.sinks.remove(callerOf(request), sinkId);
  }

  @Post(':sinkId/test')
  @Access({ permission: 'sink:write', org: 'orgId' })
  @Answers(SinkTestView, {
    faults: [AuditFault.sink_not_found],
    description: 'Send the record of this test at once, marked, and tell within ten seconds what happened.',
  })
  test(@Req() request: AccessRequest, @Param('sinkId', IdPipe) sinkId: string): Promise<SinkTestView> {
    return this.tests.run(callerOf(request), sinkId);
  }

  @Post(':sinkId/replay')
  @Access({ permission: 'sink:write', org: 'orgId' })
  @Answers(SinkView, {
    faults: [AuditFault.sink_not_found, AuditFault.bad_sink],
    description: 'Deliver a range again, dead letters in it among the rest. Ids stay the same.',
  })
  replay(
    @Req() request: AccessRequest,
    @Param('sinkId', IdPipe) sinkId: string,
    @Body() body: ReplayRequest,
  ): Promise<SinkView> {
    return this.sinks.replay(callerOf(request), sinkId, body);
  }
}
