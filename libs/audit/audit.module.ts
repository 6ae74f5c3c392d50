import { type DynamicModule, Module } from '@nestjs/common';
import { Denials } from '#access';
import { AuditConfig } from './audit.config.ts';
import { AuditExport } from './audit-export.ts';
import { AuditSearch } from './search/audit-search.ts';
import { SearchIndex } from './search/search-index.ts';
import { Audit } from './audit.ts';
import { AuditCatalogueController, AuditController } from './audit.controller.ts';
import { AuditKeys } from './checkpoint/audit-keys.ts';
import { CheckpointRounds } from './checkpoint/checkpoint-rounds.ts';
import { Checkpoints } from './checkpoint/checkpoints.ts';
import { AuditKeysController, ProofsController } from './checkpoint/proofs.controller.ts';
import { Proofs } from './checkpoint/proofs.ts';
import { ErasureWork } from './erasure/erasure-work.ts';
import { ErasuresController } from './erasure/erasures.controller.ts';
import { Erasures } from './erasure/erasures.ts';
import { DenialLog } from './denial-log.ts';
import { Readings } from './readings.ts';
import { ForksController } from './fork/forks.controller.ts';
import { Forks } from './fork/forks.ts';
import { Pruning } from './retention/pruning.ts';
import { RetentionController } from './retention/retention.controller.ts';
import { Retention } from './retention/retention.ts';
import { Findings } from './tree/findings.ts';
import { OrgTrees } from './tree/org-trees.ts';

/** Global: every room that changes something appends to the log. */
@Module({})
export class AuditModule {
  static with(config: AuditConfig): DynamicModule {
    return {
      module: AuditModule,
      global: true,
      controllers: [
        AuditController,
        AuditCatalogueController,
        ProofsController,
        AuditKeysController,
        ErasuresController,
        RetentionController,
        ForksController,
      ],
      providers: [
        { provide: AuditConfig, useValue: config },
        Audit,
        AuditExport,
        AuditKeys,
        AuditSearch,
        CheckpointRounds,
        Checkpoints,
        DenialLog,
        { provide: Denials, useExisting: DenialLog },
        Erasures,
        ErasureWork,
        Findings,
        Forks,
        OrgTrees,
        Proofs,
        Pruning,
        Readings,
        Retention,
        SearchIndex,
      ],
      exports: [Audit, CheckpointRounds, Denials, Forks],
    };
  }
}
