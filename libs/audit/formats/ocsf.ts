import { type AuditAction, auditActions } from '../catalogue/actions.ts';
import { countOf, type ExportedEvent, type Leaf, operationOf, personConcerned } from './event.ts';

/**
 * Native events as OCSF 1.8.0 (schema.ocsf.io). One table maps each action to its class and activity; the class
 * decides which attributes are required. Proof fields travel in `unmapped`, so that a SIEM can still verify;
 * `raw_data` is the leaf itself.
 */

interface Mapping {
  /** 2004 Detection Finding: what nobody did on purpose and somebody must look at. 3001 Account Change, 3002 Authentication, 3004 Entity Management, 3005 User Access, 6002 Application
   * Lifecycle, 6003 API Activity. */
  readonly classUid: 2004 | 3001 | 3002 | 3004 | 3005 | 6002 | 6003;
  /** Numbered by the class. */
  readonly activity: number;
  /** 1 Informational, 2 Low, 3 Medium, 4 High. */
  readonly severity: 1 | 2 | 3 | 4;
}

const map = (
  classUid: Mapping['classUid'],
  activity: number,
  severity: Mapping['severity'] = 1,
): Mapping => ({
  classUid,
  activity,
  severity,
});

export const ocsfMapping: Readonly<Record<AuditAction, Mapping>> = {
  'system.set_up': map(6002, 1),
  'signing_key.created': map(3004, 1),
  'signing_key.rotated': map(3004, 10, 2),
  'signing_key.retired': map(3004, 11),
  'signing_key.withdrawn': map(3004, 4, 4),
  'key_pepper.created': map(3004, 1, 2),
  'key_pepper.retired': map(3004, 4),
  'auth.signed_in': map(3002, 1),
  'auth.sign_in_refused': map(3002, 1, 2),
  'auth.locked': map(3002, 1, 3),
  'auth.signed_out': map(3002, 2),
  'auth.switched': map(3002, 1),
  'auth.switch_refused': map(3002, 1, 2),
  'auth.refreshed': map(3002, 5),
  'auth.refresh_refused': map(3002, 5, 2),
  'auth.refresh_reused': map(2004, 1, 4),
  'auth.password_changed': map(3001, 3),
  'auth.password_reset_requested': map(3001, 4),
  'auth.password_reset': map(3001, 4, 2),
  'auth.password_upgraded': map(3001, 3),
  'auth.mfa_challenged': map(3002, 1),
  'auth.factor_proven': map(3002, 1),
  'auth.factor_added': map(3001, 10),
  'auth.factor_removed': map(3001, 11, 2),
  'auth.recovery_codes_regenerated': map(3001, 10, 2),
  'auth.recovery_code_used': map(3002, 1, 2),
  'auth.stepped_up': map(3002, 1),
  'auth.step_up_refused': map(3002, 1, 2),
  'auth.device_forgotten': map(3001, 99),
  'session.revoked': map(3002, 2, 2),
  'session.revoked_in_bulk': map(6003, 4, 3),
  'session.revocation_tried': map(6003, 2),
  'session.purged': map(3004, 4),
  'org.created': map(3004, 1),
  'org.updated': map(3004, 3),
  'org.ownership_transferred': map(3005, 1, 3),
  'user.disabled': map(3001, 5, 2),
  'user.enabled': map(3001, 2),
  'policy.changed': map(3004, 3),
  'org.suspended': map(3004, 12, 3),
  'org.resumed': map(3004, 13, 2),
  'org.deleted': map(3004, 4, 3),
  'member.added': map(3005, 1),
  'member.updated': map(3005, 1, 2),
  'member.removed': map(3005, 2, 2),
  'member.password_reset_started': map(3001, 4, 2),
  'role.created': map(3004, 1),
  'role.updated': map(3004, 3, 2),
  'role.deleted': map(3004, 4, 2),
  'invitation.created': map(3004, 1),
  'invitation.revoked': map(3004, 4),
  'service_account.created': map(3004, 1),
  'service_account.updated': map(3004, 3, 2),
  'service_account.deleted': map(3004, 4, 2),
  'api_key.created': map(3004, 1, 2),
  'api_key.rotated': map(3004, 3),
  'api_key.revoked': map(3004, 4, 2),
  'api_key.rehashed': map(3004, 3),
  'secret.change_started': map(3004, 3),
  'secret.adopted': map(3004, 1),
  'secret_store.theft_suspected': map(2004, 1, 4),
  'secret_store.organization_erased': map(3004, 4, 3),
  'secret.created': map(3004, 1),
  'secret.written': map(3004, 3),
  'secret.updated': map(3004, 3),
  'secret.revealed': map(6003, 2, 2),
  'secret.resolved': map(6003, 2),
  'secret.deleted': map(3004, 4, 2),
  'secret.undeleted': map(3004, 3, 2),
  'secret.destroyed': map(3004, 4, 3),
  'secret.rotation_set': map(3004, 3),
  'secret.rotation_removed': map(3004, 3),
  'secret.rotation_started': map(3004, 3),
  'secret.rotated': map(3004, 3),
  'secret.rotation_told': map(3004, 3),
  'secret.rotation_ended': map(3004, 4),
  'secret.rotation_failed': map(3004, 3, 3),
  'secret.searched': map(6003, 2, 2),
  'org_key.created': map(3004, 1),
  'org_key.destroyed': map(3004, 4, 3),
  'master_key.rewrapped': map(3004, 3, 3),
  'intake.hook_created': map(3004, 1, 2),
  'intake.hook_updated': map(3004, 3, 2),
  'intake.hook_deleted': map(3004, 4, 2),
  'intake.delivery_accepted': map(6003, 2),
  'intake.delivery_refused': map(6003, 99, 2),
  'intake.reconcile_asked': map(6003, 2),
  'intake.prompted': map(3004, 3, 2),
  'access.denied': map(6003, 99, 2),
  'access.denied_repeatedly': map(6003, 99, 3),
  'audit.read': map(6003, 2),
  'audit.exported': map(6003, 2),
  'audit.proved': map(6003, 2),
  'audit.verified': map(6003, 2),
  'audit.alteration_found': map(2004, 1, 4),
  'audit.alteration_resolved': map(3004, 3),
  'audit.fork_detected': map(2004, 1, 4),
  'audit.sink_created': map(3004, 1, 2),
  'audit.sink_updated': map(3004, 3, 2),
  'audit.sink_deleted': map(3004, 4, 3),
  'audit.sink_tested': map(6003, 2),
  'audit.sink_replayed': map(6003, 2),
  'audit.erasure_requested': map(3004, 3, 2),
  'audit.erased': map(3004, 4, 2),
  'audit.erasure_ended': map(3004, 3),
  'audit.retention_changed': map(3004, 3, 3),
  'audit.pruned': map(3004, 4, 2),
  'audit.hold_placed': map(3004, 8, 2),
  'audit.hold_lifted': map(3004, 9, 3),
  'audit.fork_marked': map(2004, 1, 4),
  'audit.fork_acknowledged': map(3004, 3, 3),
  'event.retried': map(6003, 2),
  'capability.proposed': map(3004, 1),
  'capability.admission_tried': map(6003, 2),
  'capability.admitted': map(3004, 3),
  'capability.activated': map(3004, 10, 2),
  'capability.deactivated': map(3004, 11),
  'capability.quarantined': map(3004, 8, 3),
  'capability.revoked': map(3004, 4, 3),
  'audit_key.created': map(3004, 1),
  'audit_key.rotated': map(3004, 3, 2),
  'system.made_read_only': map(3004, 3, 4),
  'system.made_operational': map(3004, 3, 3),
  'surface.created': map(3004, 1),
  'surface.updated': map(3004, 3),
  'surface.deleted': map(3004, 4, 2),
  'authority.named': map(3004, 1, 2),
  'authority.ended': map(3004, 4, 2),
  'fact.told': map(3004, 3),
  'fact.conflicted': map(3004, 3, 3),
  'fact.refused': map(6003, 99, 2),
  'projection.changed': map(3004, 3, 2),
  'rollout.created': map(3004, 1),
  'rollout.planned': map(3004, 3),
  'rollout.moved': map(3004, 3, 2),
  'rollout.signed_off': map(3004, 3, 2),
  'rollout.denied': map(3004, 3, 2),
  'rollout.gates_closed': map(3004, 3, 2),
  'rollout.diverged': map(3004, 3, 3),
  'rollout.confirmed': map(3004, 3, 3),
  'rollout.gate_recorded': map(3004, 3),
  'rollout.baking': map(3004, 3),
  'rollout.step_started': map(3004, 10),
  'rollout.step_ended': map(3004, 11),
  'rollout.step_answered': map(3004, 3, 2),
  'rollout.target_released': map(3004, 3),
  'rollout.targets_locked': map(3004, 3),
  'rollout.source_gone': map(3004, 3, 3),
  'rollout_template.created': map(3004, 1, 2),
  'rollout_template.deleted': map(3004, 4, 2),
  'rollout_template.kept_back': map(3004, 3, 2),
  'rollout_policy.created': map(3004, 1, 2),
  'rollout_policy.updated': map(3004, 3, 2),
  'rollout_target.created': map(3004, 1),
  'rollout_target.reported': map(3004, 3),
  'rollout_hook.created': map(3004, 1, 2),
  'rollout_hook.revoked': map(3004, 4, 2),
  'rollout_person.linked': map(3004, 3, 2),
  'rollout_person.unlinked': map(3004, 3, 3),
  'rollout_break_glass.opened': map(3004, 3, 4),
  'rollout_break_glass.reviewed': map(3004, 3, 3),
  'evidence.recorded': map(3004, 1),
  'evidence.attached': map(3004, 1),
  'evidence_key.created': map(3004, 1, 2),
  'evidence_key.registered': map(3004, 1, 3),
  'evidence_key.revoked': map(3004, 4, 3),
  'risk.raised': map(3004, 1, 2),
  'risk.updated': map(3004, 3, 2),
  'risk.accepted': map(3004, 3, 3),
  'risk.acceptance_withdrawn': map(3004, 3, 2),
  'risk.closed': map(3004, 4, 2),
  'freeze.created': map(3004, 1, 2),
  'freeze.updated': map(3004, 3, 2),
  'freeze.deleted': map(3004, 4, 3),
  'freeze.exception_asked': map(3004, 3, 2),
};

/** Class and activity, which the tables of the other formats go by. */
export function kindOf(action: AuditAction): string {
  const { classUid, activity } = ocsfMapping[action];
  return `${classUid}/${activity}`;
}

const severities = { 1: 'Informational', 2: 'Low', 3: 'Medium', 4: 'High' } as const;

/** One OCSF event as a line of JSON, without the line's end. */
export function ocsfLine(event: ExportedEvent): string {
  const { leaf, pos } = event;
  const { classUid, activity, severity } = ocsfMapping[leaf.action];
  const failed = leaf.outcome !== 'success';
  return JSON.stringify({
    activity_id: activity,
    activity_name: activity === OTHER ? 'Denied' : undefined,
    category_uid: Math.floor(classUid / 1000),
    class_uid: classUid,
    type_uid: classUid * 100 + activity,
    severity_id: severity,
    severity: severities[severity],
    time: Date.parse(leaf.time),
    message: leaf.action,
    ...(classUid === 2004
      ? { status_id: 1, status: 'New' }
      : { status_id: failed ? 2 : 1, status: failed ? 'Failure' : 'Success' }),
    status_code: leaf.outcome,
    status_detail: leaf.reason,
    count: countOf(event),
    metadata: {
      version: '1.8.0',
      product: { name: 'Portcullis', vendor_name: 'Portcullis' },
      uid: leaf.id,
      sequence: pos,
      tenant_uid: leaf.org,
      correlation_uid: leaf.request.id,
      event_code: leaf.action,
      log_name: 'audit',
    },
    ...attributesOf(classUid, event),
    raw_data: event.leafText,
    unmapped: {
      pos,
      leaf_hash: event.leafHash,
      prev_hash: event.prevHash,
      route: operationOf(event),
      actor: leaf.actor,
      target: leaf.target,
      changes: leaf.changes,
    },
  });
}

/** What the class requires, and who (`actor`) beside whom (`user`, `entity`) wherever the class takes both. */
function attributesOf(classUid: Mapping['classUid'], event: ExportedEvent): object {
  const { leaf, targetName: name } = event;
  if (classUid === 6002) return { app: { name: 'Portcullis', vendor_name: 'Portcullis' } };
  const shared = {
    actor: {
      user: actorUser(event),
      session: leaf.actor.sessionId === undefined ? undefined : { uid: leaf.actor.sessionId },
    },
    src_endpoint: { ip: event.ip, name: 'client' },
  };
  switch (classUid) {
    case 2004:
      return {
        finding_info: { uid: leaf.id, title: auditActions[leaf.action].description, types: [leaf.action] },
        evidences: [shared],
        resources: [{ uid: leaf.target.id, name, type: leaf.target.type }],
        is_alert: true,
      };
    case 3001:
      return { ...shared, user: personOf(leaf.target.id, name) };
    case 3002:
      return {
        ...shared,
        user: whom(event),
        session: sessionOf(leaf),
        service: { name: 'Portcullis' },
        http_request: requestOf(event),
      };
    case 3004:
      return { ...shared, entity: { uid: leaf.target.id, name, ...entityTypeOf(leaf.target.type) } };
    case 3005:
      return {
        ...shared,
        user: personOf(leaf.target.id, name),
        privileges: [roleOf(leaf)],
      };
    case 6003:
      return {
        ...shared,
        api: { operation: operationOf(event), request: { uid: leaf.request.id } },
        http_request: requestOf(event),
      };
  }
}

/** OCSF's number for what it does not name. */
const OTHER = 99;
/** Numbers of `user.type_id`, by the types of our actors. */
const userTypes: Readonly<Record<string, number>> = { user: 1, system: 3, api_key: 4, anonymous: 0 };

function actorUser({ leaf: { actor }, actorName }: ExportedEvent): object {
  return {
    uid: actor.id,
    name: actorName,
    type: actor.type,
    type_id: userTypes[actor.type] ?? OTHER,
    credential_uid: actor.apiKeyId,
  };
}

function personOf(uid: string, name: string | undefined): object {
  return { uid, name, type: 'user', type_id: userTypes['user'] };
}

/** Whose sign-in or session it is; the actor's own where nobody else is named. */
function whom(event: ExportedEvent): object {
  const person = personConcerned(event);
  return person && (event.leaf.target.type === 'user' || person.id !== event.leaf.actor.id)
    ? personOf(person.id, person.name)
    : actorUser(event);
}

function sessionOf({ target, changes }: Leaf): object | undefined {
  const uid = target.type === 'session' ? target.id : changes?.['session']?.to;
  return typeof uid === 'string' ? { uid } : undefined;
}

/** The role that was given, or the one that was taken away. */
function roleOf({ changes }: Leaf): string {
  const role = changes?.['role']?.to ?? changes?.['role']?.from;
  return typeof role === 'string' ? role : 'membership';
}

function entityTypeOf(type: string): object {
  return { type, type_id: type === 'organization' ? 4 : OTHER };
}

const METHODS = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']);

function requestOf({ leaf: { request }, userAgent }: ExportedEvent): object {
  return {
    uid: request.id,
    http_method: METHODS.has(request.method) ? request.method : undefined,
    user_agent: userAgent,
  };
}
