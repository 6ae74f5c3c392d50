import { Global, Module } from '@nestjs/common';
import { Denials } from '#access';
import { AuditExport } from './audit-export.ts';
import { AuditSearch } from './audit-search.ts';
import { Audit } from './audit.ts';
import { AuditController } from './audit.controller.ts';
import { DenialLog } from './denial-log.ts';
import { OrgTrees } from './org-tree.ts';

/** Global: every room that changes something appends to the log. */
@Global()
@Module({
  controllers: [AuditController],
  providers: [
    Audit,
    AuditSearch,
    AuditExport,
    OrgTrees,
    DenialLog,
    { provide: Denials, useExisting: DenialLog },
  ],
  exports: [Audit, Denials],
})
export class AuditModule {}
