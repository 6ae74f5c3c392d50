import { Controller, Get, Query, Req, Res, StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { Access, type AccessRequest, callerOf } from '#access';
import { Answers } from '#http';
import { AuditExport } from './audit-export.ts';
import { AuditPage, AuditQuery, ExportQuery } from './audit.contract.ts';
import { AuditFault } from './audit.faults.ts';
import { AuditSearch } from './audit-search.ts';
import { contentTypeOf } from './formats/format.ts';

interface HeaderReply {
  header(name: string, value: string): unknown;
}

@Controller('api/v1/orgs/:orgId/audit')
export class AuditController {
  constructor(
    private readonly search: AuditSearch,
    private readonly exports: AuditExport,
  ) {}

  @Get('events')
  @Access({ permission: 'audit:read', org: 'orgId' })
  @Answers(AuditPage, { description: 'Events of the organization, newest first.' })
  list(@Req() request: AccessRequest, @Query() query: AuditQuery): Promise<AuditPage> {
    return this.search.page(callerOf(request), query);
  }

  @Get('export')
  @Access({ permission: 'audit:export', org: 'orgId' })
  @Answers(undefined, {
    contentType: 'application/x-ndjson',
    faults: [AuditFault.beyond_log],
    description:
      'Events in order of position, one a line: JSON, or text for cef and leef. Continue with `after` = the header x-audit-next. A range once read is complete and stays identical.',
  })
  async export(
    @Req() request: AccessRequest,
    @Query() query: ExportQuery,
    @Res({ passthrough: true }) reply: HeaderReply,
  ): Promise<StreamableFile> {
    const started = await this.exports.start(callerOf(request), {
      after: query.after ?? 0,
      limit: query.limit ?? 1_000,
      format: query.format ?? 'native',
      wait: query.wait ?? 0,
    });
    reply.header('x-audit-next', String(started.next));
    reply.header('x-audit-tree-size', String(started.treeSize));
    if (started.root !== undefined) reply.header('x-audit-root', started.root);
    const type = contentTypeOf(query.format ?? 'native');
    return new StreamableFile(Readable.from(started.lines), { type });
  }
}
