import type { AuditAction } from './actions.ts';
import type { AuditRow } from './audit.store.ts';

/**
 * Native events as OCSF 1.8.0 (schema.ocsf.io). One table maps each action to its class and activity; the class
 * decides which attributes are required. Proof fields travel in `unmapped`, so that a SIEM can still verify.
 */

interface Mapping {
  /** 3001 Account Change, 3002 Authentication, 3004 Entity Management, 3005 User Access, 6002 Application
   * Lifecycle, 6003 API Activity. */
  readonly classUid: 3001 | 3002 | 3004 | 3005 | 6002 | 6003;
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
  'auth.signed_in': map(3002, 1),
  'auth.sign_in_refused': map(3002, 1, 2),
  'auth.signed_out': map(3002, 2),
  'auth.refreshed': map(3002, 5),
  'auth.refresh_refused': map(3002, 5, 2),
  'auth.refresh_reused': map(3002, 5, 4),
  'auth.password_changed': map(3001, 3),
  'auth.password_upgraded': map(3001, 3),
  'session.revoked': map(3002, 2, 2),
  'session.purged': map(3004, 4),
  'org.created': map(3004, 1),
  'org.updated': map(3004, 3),
  'org.suspended': map(3004, 12, 3),
  'org.resumed': map(3004, 13, 2),
  'org.deleted': map(3004, 4, 3),
  'member.added': map(3005, 1),
  'member.updated': map(3005, 1, 2),
  'member.removed': map(3005, 2, 2),
  'role.created': map(3004, 1),
  'role.updated': map(3004, 3, 2),
  'role.deleted': map(3004, 4, 2),
  'invitation.created': map(3004, 1),
  'invitation.revoked': map(3004, 4),
  'service_account.created': map(3004, 1),
  'service_account.deleted': map(3004, 4, 2),
  'api_key.created': map(3004, 1, 2),
  'api_key.rotated': map(3004, 3),
  'api_key.revoked': map(3004, 4, 2),
  'access.denied': map(6003, 99, 2),
  'access.denied_repeatedly': map(6003, 99, 3),
  'audit.read': map(6003, 2),
  'audit.exported': map(6003, 2),
};

/** The parts of a native leaf that the mapping reads. */
interface Leaf {
  id: string;
  org: string;
  time: string;
  actor: { type: string; id: string; sessionId?: string };
  action: AuditAction;
  target: { type: string; id: string };
  outcome: 'success' | 'denied' | 'failure';
  reason?: string;
  request: { id: string; method: string; route: string };
  changes?: Record<string, { from?: unknown; to?: unknown }>;
}

type PersonalValues = Record<string, { value: string } | 'erased'>;

/** One OCSF event as a line of JSON, without the line's end. */
export function ocsfLine(row: AuditRow): string {
  const leaf = JSON.parse(row.leaf) as Leaf;
  const personal = JSON.parse(row.personal) as PersonalValues;
  const { classUid, activity, severity } = ocsfMapping[leaf.action];
  const failed = leaf.outcome !== 'success';
  return JSON.stringify({
    activity_id: activity,
    category_uid: Math.floor(classUid / 1000),
    class_uid: classUid,
    type_uid: classUid * 100 + activity,
    severity_id: severity,
    time: Date.parse(leaf.time),
    message: leaf.action,
    status_id: failed ? 2 : 1,
    status: failed ? 'Failure' : 'Success',
    status_code: leaf.outcome,
    status_detail: leaf.reason,
    metadata: {
      version: '1.8.0',
      product: { name: 'Portcullis', vendor_name: 'Portcullis' },
      uid: leaf.id,
      sequence: Number(row.pos),
      tenant_uid: leaf.org,
      correlation_uid: leaf.request.id,
      event_code: leaf.action,
      log_name: 'audit',
    },
    ...requiredOf(classUid, leaf, personal),
    unmapped: {
      pos: Number(row.pos),
      leaf_hash: row.leaf_hash,
      prev_hash: row.prev_hash,
      route: `${leaf.request.method} ${leaf.request.route}`,
      target: leaf.target,
      changes: leaf.changes,
    },
  });
}

function requiredOf(classUid: Mapping['classUid'], leaf: Leaf, personal: PersonalValues): object {
  const actor = {
    user: { uid: leaf.actor.id, name: shown(personal, 'actor.display'), type: leaf.actor.type },
    session: leaf.actor.sessionId ? { uid: leaf.actor.sessionId } : undefined,
  };
  const target = { uid: leaf.target.id, name: shown(personal, 'target.display') };
  const source = { ip: shown(personal, 'request.ip'), name: 'client' };
  switch (classUid) {
    case 3001:
      return { user: target, actor, src_endpoint: source };
    case 3002:
      return {
        user:
          leaf.target.type === 'user'
            ? target
            : { uid: leaf.actor.id, name: shown(personal, 'actor.display') },
        session: leaf.target.type === 'session' ? { uid: leaf.target.id } : undefined,
        actor,
        service: { name: 'Portcullis' },
        src_endpoint: source,
      };
    case 3004:
      return { entity: { ...target, type: leaf.target.type }, actor };
    case 3005:
      return {
        user: target,
        privileges: [roleIn(leaf)],
        actor,
        src_endpoint: source,
      };
    case 6002:
      return { app: { name: 'Portcullis', vendor_name: 'Portcullis' } };
    case 6003:
      return {
        actor,
        api: { operation: `${leaf.request.method} ${leaf.request.route}`, request: { uid: leaf.request.id } },
        src_endpoint: source,
      };
  }
}

/** What a membership is about: the role it gives or gave. */
function roleIn(leaf: Leaf): string {
  const role = leaf.changes?.['role']?.to ?? leaf.changes?.['role']?.from;
  return typeof role === 'string' ? role : 'membership';
}

/** A personal value; absent where there is none, `erased` where it was erased. */
function shown(personal: PersonalValues, path: string): string | undefined {
  const found = personal[path];
  return found === undefined || found === 'erased' ? found : found.value;
}
