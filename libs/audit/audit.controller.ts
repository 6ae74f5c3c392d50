import { Controller, Get, Query, Req, Res, StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { Access, type AccessRequest, callerOf, SignedIn } from '#access';
import { Answers } from '#http';
import { AuditExport } from './audit-export.ts';
import { auditCatalogue } from './catalogue/action-data.ts';
import { AuditCatalogueView, AuditPage, AuditQuery, ExportQuery } from './audit.contract.ts';
import { AuditFault } from './audit.faults.ts';
import { AuditSearch } from './search/audit-search.ts';
import { contentTypeOf } from './formats/format.ts';

interface HeaderReply {
  header(name: string, value: string): unknown;
}

@Controller('api/v1/audit')
export class AuditCatalogueController {
  @Get('actions')
  @SignedIn('what can be recorded is no secret; what was is')
  @Answers(AuditCatalogueView, { description: 'Every action that the audit log can speak of.' })
  actions(): AuditCatalogueView {
    return auditCatalogue;
  }
}

@Controller('api/v1/orgs/:orgId/audit')
export class AuditController {
  constructor(
    private readonly search: AuditSearch,
    private readonly exports: AuditExport,
  ) {}

  @Get('events')
  @Access({ permission: 'audit:read', org: 'orgId' })
  @Answers(AuditPage, {
    faults: [AuditFault.search_behind],
    otherTypes: ['text/csv'],
    description: 'Events of the organization, newest first; as CSV where `format` or Accept says so.',
  })
  async list(
    @Req() request: AccessRequest,
    @Query() query: AuditQuery,
    @Res({ passthrough: true }) reply: HeaderReply,
  ): Promise<AuditPage | StreamableFile> {
    const form = query.format ?? (/\btext\/csv\b/.test(String(request.headers['accept'])) ? 'csv' : 'json');
    if (form === 'json') return this.search.page(callerOf(request), query);
    reply.header('content-disposition', 'attachment; filename="audit.csv"');
    const lines = await this.search.csv(callerOf(request), query);
    return new StreamableFile(Readable.from(lines), { type: 'text/csv; charset=utf-8; header=present' });
  }

  @Get('export')
  @Access({ permission: 'audit:export', org: 'orgId' })
  @Answers(undefined, {
    contentType: 'application/x-ndjson',
    otherTypes: ['text/plain'],
    faults: [AuditFault.beyond_log, AuditFault.pruned, AuditFault.fork_detected],
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
