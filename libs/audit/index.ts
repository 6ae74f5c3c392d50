export { type AuditAction, auditActions } from './actions.ts';
export { actionData, undeclaredFields } from './action-data.ts';
export { Audit, type AuditNote } from './audit.ts';
export { AuditConfig } from './audit.config.ts';
export { type AuditActor, type AuditEntry, type Changes, personal } from './audit-event.ts';
export { AuditModule } from './audit.module.ts';
export { auditSettings } from './audit.settings.ts';
export { CheckpointRounds } from './checkpoint/checkpoint-rounds.ts';
export { Forks } from './fork/forks.ts';
