import { CreateTenancy1763769600000 } from './1763769600000-create-tenancy.ts';
import { CreateAuditLog1763769600001 } from './1763769600001-create-audit-log.ts';
import { CreateSignIn1763769600002 } from './1763769600002-create-sign-in.ts';
import { CreateRevocation1763769600003 } from './1763769600003-create-revocation.ts';
import { CloseFunctions1763769600004 } from './1763769600004-close-functions.ts';
import { CreateIdempotency1763769600005 } from './1763769600005-create-idempotency.ts';
import { CreateJobs1763769600010 } from './1763769600010-create-jobs.ts';
import { KeepPasswordRules1763769600011 } from './1763769600011-keep-password-rules.ts';
import { CreatePoliciesAndProofs1763769600012 } from './1763769600012-create-policies-and-proofs.ts';
import { CreateLimitsAndDevices1763769600013 } from './1763769600013-create-limits-and-devices.ts';
import { KeepSuccessors1763769600014 } from './1763769600014-keep-successors.ts';
import { KeepKeyPeppers1763769600015 } from './1763769600015-keep-key-peppers.ts';
import { RotateSigningKeys1763769600016 } from './1763769600016-rotate-signing-keys.ts';
import { CreateFactors1763769600017 } from './1763769600017-create-factors.ts';
import { KeepInviters1763769600018 } from './1763769600018-keep-inviters.ts';
import { KeepAuditTiles1763769600020 } from './1763769600020-keep-audit-tiles.ts';
import { CreateSecrets1763769600021 } from './1763769600021-create-secrets.ts';
import { CreateAuditSinks1763769600022 } from './1763769600022-create-audit-sinks.ts';
import { AllowErasureAndRetention1763769600023 } from './1763769600023-allow-erasure-and-retention.ts';
import { EndAuditFindings1763769600024 } from './1763769600024-end-audit-findings.ts';
import { EraseEverywhere1763769600025 } from './1763769600025-erase-everywhere.ts';
import { CreateVaultSecrets1763769600026 } from './1763769600026-create-vault-secrets.ts';
import { ForgetSecrets1763769600027 } from './1763769600027-forget-secrets.ts';
import { ScheduleRotations1763769600028 } from './1763769600028-schedule-rotations.ts';
import { RecordFoundVersions1763769600029 } from './1763769600029-record-found-versions.ts';
import { CreateProjection1763769600030 } from './1763769600030-create-projection.ts';
import { KeepSystemState1763769600031 } from './1763769600031-keep-system-state.ts';
import { CreateEvents1763769600034 } from './1763769600034-create-events.ts';
import { CreateCapabilities1763769600035 } from './1763769600035-create-capabilities.ts';
import { CreateRollouts1763769600040 } from './1763769600040-create-rollouts.ts';
import { CreateEvidenceAndRisks1763769600041 } from './1763769600041-create-evidence-and-risks.ts';
import { CreateGiteaIntake1763769600045 } from './1763769600045-create-gitea-intake.ts';
import { BindRolloutsToSources1763769600047 } from './1763769600047-bind-rollouts-to-sources.ts';
import { ExpireEvidenceKeys1763769600048 } from './1763769600048-expire-evidence-keys.ts';
import { NarrowRecovery1763769600050 } from './1763769600050-narrow-recovery.ts';
import { HoldSignIns1763769600054 } from './1763769600054-hold-sign-ins.ts';

/** Every migration in the order they run. A new one is added at the end. */
export const migrations = [
  CreateTenancy1763769600000,
  CreateAuditLog1763769600001,
  CreateSignIn1763769600002,
  CreateRevocation1763769600003,
  CloseFunctions1763769600004,
  CreateIdempotency1763769600005,
  CreateJobs1763769600010,
  KeepPasswordRules1763769600011,
  CreatePoliciesAndProofs1763769600012,
  CreateLimitsAndDevices1763769600013,
  KeepSuccessors1763769600014,
  KeepKeyPeppers1763769600015,
  RotateSigningKeys1763769600016,
  CreateFactors1763769600017,
  KeepInviters1763769600018,
  KeepAuditTiles1763769600020,
  CreateSecrets1763769600021,
  CreateAuditSinks1763769600022,
  AllowErasureAndRetention1763769600023,
  EndAuditFindings1763769600024,
  EraseEverywhere1763769600025,
  CreateVaultSecrets1763769600026,
  ForgetSecrets1763769600027,
  ScheduleRotations1763769600028,
  RecordFoundVersions1763769600029,
  CreateProjection1763769600030,
  KeepSystemState1763769600031,
  CreateEvents1763769600034,
  CreateCapabilities1763769600035,
  CreateRollouts1763769600040,
  CreateEvidenceAndRisks1763769600041,
  CreateGiteaIntake1763769600045,
  BindRolloutsToSources1763769600047,
  ExpireEvidenceKeys1763769600048,
  NarrowRecovery1763769600050,
  HoldSignIns1763769600054,
];
