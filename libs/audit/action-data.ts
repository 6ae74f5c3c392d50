import { type AuditAction, auditActions } from './actions.ts';

/** What a record of an action carries beside who, when and how it ended. */
interface Carried {
  /** `target.type`; in words where there are several. */
  readonly target: string;
  /** The fields that `changes` may have; `*` where they are those of a document. */
  readonly data: readonly string[];
}

/** By action; the specs compare what was written with it. */
export const actionData: Readonly<Record<AuditAction, Carried>> = {
  'system.set_up': { target: 'deployment', data: [] },
  'signing_key.created': { target: 'signing_key', data: [] },
  'signing_key.rotated': { target: 'signing_key', data: ['current'] },
  'signing_key.retired': { target: 'signing_key', data: [] },
  'signing_key.withdrawn': { target: 'signing_key', data: ['state'] },
  'key_pepper.created': { target: 'key_pepper', data: [] },
  'key_pepper.retired': { target: 'key_pepper', data: [] },
  'auth.signed_in': { target: 'user', data: ['session', 'methods', 'device'] },
  'auth.sign_in_refused': { target: 'user, or route', data: [] },
  'auth.locked': { target: 'user', data: [] },
  'auth.signed_out': { target: 'session', data: ['user'] },
  'auth.switched': { target: 'user', data: ['session', 'methods', 'device'] },
  'auth.switch_refused': { target: 'user', data: [] },
  'auth.refreshed': { target: 'session', data: ['user'] },
  'auth.refresh_refused': { target: 'session, or route', data: [] },
  'auth.refresh_reused': { target: 'session', data: ['user'] },
  'auth.password_changed': { target: 'user', data: ['session', 'methods', 'device'] },
  'auth.password_reset_requested': { target: 'user', data: [] },
  'auth.password_reset': { target: 'user, or route', data: [] },
  'auth.password_upgraded': { target: 'user', data: ['session', 'methods', 'device'] },
  'auth.mfa_challenged': { target: 'user', data: [] },
  'auth.factor_proven': { target: 'user', data: ['factor', 'kind'] },
  'auth.factor_added': { target: 'user', data: ['factor', 'kind', 'aaguid', 'deviceBound', 'backedUp'] },
  'auth.factor_removed': { target: 'user', data: ['factor', 'kind'] },
  'auth.recovery_codes_regenerated': { target: 'user', data: [] },
  'auth.recovery_code_used': { target: 'user', data: [] },
  'auth.stepped_up': { target: 'user', data: ['session', 'method'] },
  'auth.step_up_refused': { target: 'user', data: [] },
  'auth.device_forgotten': { target: 'device, or organization', data: ['count'] },
  'session.revoked': { target: 'session', data: ['user'] },
  'session.revoked_in_bulk': {
    target: 'organization',
    data: [
      'userId',
      'roleId',
      'cidr',
      'userAgentContains',
      'createdBefore',
      'lastSeenBefore',
      'assurance',
      'authMethod',
      'exceptCurrent',
      'count',
    ],
  },
  'session.revocation_tried': {
    target: 'organization',
    data: [
      'userId',
      'roleId',
      'cidr',
      'userAgentContains',
      'createdBefore',
      'lastSeenBefore',
      'assurance',
      'authMethod',
      'exceptCurrent',
      'count',
    ],
  },
  'session.purged': { target: 'organization', data: ['count'] },
  'org.created': { target: 'organization', data: ['name', 'slug'] },
  'org.updated': { target: 'organization', data: ['name'] },
  'org.suspended': { target: 'organization', data: ['status'] },
  'org.resumed': { target: 'organization', data: ['status'] },
  'org.deleted': { target: 'organization', data: ['slug'] },
  'org.ownership_transferred': { target: 'user', data: ['role', 'previousOwner'] },
  'policy.changed': { target: 'organization', data: ['*'] },
  'user.disabled': { target: 'user', data: ['status'] },
  'user.enabled': { target: 'user', data: ['status'] },
  'member.added': { target: 'user', data: ['role', 'invitation', 'email'] },
  'member.updated': { target: 'user', data: ['role', 'status'] },
  'member.removed': { target: 'user', data: ['role'] },
  'member.password_reset_started': { target: 'user', data: ['sent'] },
  'role.created': { target: 'role', data: ['name', 'permissions'] },
  'role.updated': { target: 'role', data: ['description', 'permissions'] },
  'role.deleted': { target: 'role', data: ['name'] },
  'invitation.created': { target: 'invitation', data: ['role'] },
  'invitation.revoked': { target: 'invitation', data: [] },
  'service_account.created': { target: 'service_account', data: ['name'] },
  'service_account.updated': { target: 'service_account', data: ['ownerId'] },
  'service_account.deleted': { target: 'service_account', data: [] },
  'api_key.created': { target: 'api_key', data: ['name', 'permissions', 'expiresAt'] },
  'api_key.rotated': { target: 'api_key', data: ['overlapSeconds'] },
  'api_key.revoked': { target: 'api_key', data: [] },
  'api_key.rehashed': { target: 'api_key', data: [] },
  'access.denied': { target: 'route', data: ['permission'] },
  'access.denied_repeatedly': { target: 'that of the first', data: ['action', 'count'] },
  'audit.read': { target: 'audit_log', data: ['format'] },
  'audit.exported': { target: 'audit_log', data: ['after', 'format'] },
  'audit.proved': { target: 'audit_log', data: [] },
  'audit.alteration_found': { target: 'audit_log', data: ['pos'] },
  'audit.alteration_resolved': { target: 'audit_log', data: ['finding', 'kind', 'pos'] },
  'audit.fork_detected': { target: 'audit_log', data: ['pos'] },
  'audit.erasure_requested': { target: 'user', data: ['erasure', 'upTo', 'everywhere'] },
  'audit.erased': { target: 'user', data: ['erasure', 'after', 'upTo', 'events', 'fields'] },
  'audit.erasure_ended': { target: 'user', data: ['erasure', 'events', 'fields'] },
  'audit.retention_changed': { target: 'audit_log', data: ['retentionDays'] },
  'audit.pruned': { target: 'audit_log', data: ['after', 'upTo', 'retentionDays'] },
  'audit.hold_placed': { target: 'audit_log', data: ['reason'] },
  'audit.hold_lifted': { target: 'audit_log', data: ['reason'] },
  'audit.fork_marked': { target: 'audit_log', data: ['fork', 'oldSize', 'oldRoot', 'newSize', 'newRoot'] },
  'audit.fork_acknowledged': { target: 'audit_log', data: ['fork', 'oldSize', 'newSize', 'reason'] },
  'audit.verified': { target: 'audit_log', data: ['from', 'upTo'] },
  'audit.sink_created': {
    target: 'audit_sink',
    data: ['name', 'kind', 'settings', 'format', 'filter', 'enabled', 'allOrganizations', 'after'],
  },
  'audit.sink_updated': { target: 'audit_sink', data: ['name', 'settings', 'format', 'filter', 'enabled'] },
  'audit.sink_deleted': { target: 'audit_sink', data: ['name'] },
  'audit.sink_tested': { target: 'audit_sink', data: [] },
  'audit.sink_replayed': { target: 'audit_sink', data: ['from', 'to'] },
  'secret.created': { target: 'secret', data: ['path', 'version', 'digests'] },
  'secret.written': { target: 'secret', data: ['path', 'version', 'digests', 'pruned'] },
  'secret.updated': { target: 'secret', data: ['path', 'pruned', 'description', 'tags', 'maxVersions'] },
  'secret.revealed': { target: 'secret', data: ['path', 'version', 'digests'] },
  'secret.resolved': { target: 'secret', data: ['path', 'field', 'version', 'digests'] },
  'secret.deleted': { target: 'secret', data: ['path', 'versions'] },
  'secret.undeleted': { target: 'secret', data: ['path', 'versions'] },
  'secret.destroyed': { target: 'secret', data: ['path', 'versions'] },
  'secret.searched': { target: 'organization', data: ['digest', 'found'] },
  'org_key.created': { target: 'org_key', data: [] },
  'org_key.destroyed': { target: 'org_key', data: ['organization'] },
  'master_key.rewrapped': {
    target: 'deployment',
    data: ['orgKeys', 'signingKeys', 'keyPeppers', 'auditKeys', 'factors'],
  },
  'audit_key.created': { target: 'audit_key', data: [] },
  'audit_key.rotated': { target: 'audit_key', data: ['overlapSeconds'] },
};

/** The fields of `changes` that the catalogue does not name for this action. */
export function undeclaredFields(action: string, changes: object): string[] {
  if (!Object.hasOwn(auditActions, action)) return Object.keys(changes);
  const { data } = actionData[action as AuditAction];
  return data.includes('*') ? [] : Object.keys(changes).filter((field) => !data.includes(field));
}

/** Everything the log can speak of, as it is published. */
export const auditCatalogue = {
  items: (Object.keys(auditActions) as AuditAction[]).map((action) => ({
    action,
    ...auditActions[action],
    target: actionData[action].target,
    data: [...actionData[action].data],
  })),
};
