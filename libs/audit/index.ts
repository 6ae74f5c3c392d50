export { type AuditAction, auditActions } from './actions.ts';
export { Audit, type AuditNote } from './audit.ts';
export { type AuditActor, type AuditEntry, type Changes, personal } from './audit-event.ts';
export { AuditModule } from './audit.module.ts';
