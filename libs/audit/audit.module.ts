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
import { Signatures } from './checkpoint/signatures.ts';
import { ErasureWork } from './erasure/erasure-work.ts';
import { ErasuresController, ErasuresEverywhereController } from './erasure/erasures.controller.ts';
import { ErasuresEverywhere } from './erasure/erasures-everywhere.ts';
import { Erasures } from './erasure/erasures.ts';
import { DenialLog } from './denial-log.ts';
import { OutcomeCounts } from './outcome-counts.ts';
import { Readings } from './readings.ts';
import { Receivers } from './sinks/receivers.ts';
import { SinkDeliveries } from './sinks/sink-deliveries.ts';
import { SinkRelays } from './sinks/sink-relays.ts';
import { SinkConfig } from './sinks/sink.config.ts';
import { SinkTests } from './sinks/sink-tests.ts';
import { SinksController } from './sinks/sinks.controller.ts';
import { Sinks } from './sinks/sinks.ts';
import { ForksController } from './fork/forks.controller.ts';
import { Forks } from './fork/forks.ts';
import { Pruning } from './retention/pruning.ts';
import { RetentionController } from './retention/retention.controller.ts';
import { Retention } from './retention/retention.ts';
import { Findings } from './tree/findings.ts';
import { OrgTrees } from './tree/org-trees.ts';
import { LogVerification } from './verification/log-verification.ts';
import { VerificationController } from './verification/verification.controller.ts';

/** Global: every room that changes something appends to the log. */
@Module({})
export class AuditModule {
  /** Whoever composes the rooms provides SinkSecrets, for secrets stand above this room. */
  static with(config: AuditConfig, sinks = new SinkConfig()): DynamicModule {
    return {
      module: AuditModule,
      global: true,
      controllers: [
        AuditController,
        SinksController,
        VerificationController,
        AuditCatalogueController,
        ProofsController,
        AuditKeysController,
        ErasuresController,
        ErasuresEverywhereController,
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
        ErasuresEverywhere,
        ErasureWork,
        Findings,
        LogVerification,
        Forks,
        OrgTrees,
        OutcomeCounts,
        Proofs,
        Pruning,
        Readings,
        Receivers,
        { provide: SinkConfig, useValue: sinks },
        SinkDeliveries,
        SinkRelays,
        Sinks,
        SinkTests,
        Retention,
        SearchIndex,
        Signatures,
      ],
      exports: [
        Audit,
        AuditKeys,
        CheckpointRounds,
        Denials,
        Forks,
        LogVerification,
        OutcomeCounts,
        SinkConfig,
        SinkDeliveries,
        SinkRelays,
      ],
    };
  }
}
