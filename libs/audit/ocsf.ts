import type { AuditAction } from './actions.ts';
import type { AuditRow } from './audit.store.ts';

/**
 * Native events as OCSF 1.8.0 (schema.ocsf.io). One table maps each action to its class and activity; the class
 * decides which attributes are required. Proof fields travel in `unmapped`, so that a SIEM can still verify;
 * `raw_data` is the leaf itself.
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
  'auth.locked': map(3002, 1, 3),
  'auth.signed_out': map(3002, 2),
  'auth.switched': map(3002, 1),
  'auth.switch_refused': map(3002, 1, 2),
  'auth.refreshed': map(3002, 5),
  'auth.refresh_refused': map(3002, 5, 2),
  'auth.refresh_reused': map(3002, 5, 4),
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
  'service_account.deleted': map(3004, 4, 2),
  'api_key.created': map(3004, 1, 2),
  'api_key.rotated': map(3004, 3),
  'api_key.revoked': map(3004, 4, 2),
  'access.denied': map(6003, 99, 2),
  'access.denied_repeatedly': map(6003, 99, 3),
  'audit.read': map(6003, 2),
  'audit.exported': map(6003, 2),
};

const severities = { 1: 'Informational', 2: 'Low', 3: 'Medium', 4: 'High' } as const;

/** The parts of a native leaf that the mapping reads. */
interface Leaf {
  id: string;
  org: string;
  time: string;
  actor: { type: string; id: string; sessionId?: string; apiKeyId?: string };
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
    activity_name: activity === OTHER ? 'Denied' : undefined,
    category_uid: Math.floor(classUid / 1000),
    class_uid: classUid,
    type_uid: classUid * 100 + activity,
    severity_id: severity,
    severity: severities[severity],
    time: Date.parse(leaf.time),
    message: leaf.action,
    status_id: failed ? 2 : 1,
    status: failed ? 'Failure' : 'Success',
    status_code: leaf.outcome,
    status_detail: leaf.reason,
    count: countOf(leaf),
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
    ...attributesOf(classUid, leaf, personal),
    // The very bytes that leaf_hash is over.
    raw_data: row.leaf,
    unmapped: {
      pos: Number(row.pos),
      leaf_hash: row.leaf_hash,
      prev_hash: row.prev_hash,
      route: `${leaf.request.method} ${leaf.request.route}`,
      actor: leaf.actor,
      target: leaf.target,
      changes: leaf.changes,
    },
  });
}

/** What the class requires, and who (`actor`) beside whom (`user`, `entity`) wherever the class takes both. */
function attributesOf(classUid: Mapping['classUid'], leaf: Leaf, personal: PersonalValues): object {
  if (classUid === 6002) return { app: { name: 'Portcullis', vendor_name: 'Portcullis' } };
  const shared = {
    actor: {
      user: actorUser(leaf, personal),
      session: leaf.actor.sessionId === undefined ? undefined : { uid: leaf.actor.sessionId },
    },
    src_endpoint: { ip: address(personal), name: 'client' },
  };
  const name = shown(personal, 'target.display');
  switch (classUid) {
    case 3001:
      return { ...shared, user: personOf(leaf.target.id, name) };
    case 3002:
      return {
        ...shared,
        user: whom(leaf, personal),
        session: sessionOf(leaf),
        service: { name: 'Portcullis' },
        http_request: requestOf(leaf, personal),
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
        api: { operation: `${leaf.request.method} ${leaf.request.route}`, request: { uid: leaf.request.id } },
        http_request: requestOf(leaf, personal),
      };
  }
}

/** OCSF's number for what it does not name. */
const OTHER = 99;
/** Numbers of `user.type_id`, by the types of our actors. */
const userTypes: Readonly<Record<string, number>> = { user: 1, system: 3, api_key: 4, anonymous: 0 };

function actorUser({ actor }: Leaf, personal: PersonalValues): object {
  return {
    uid: actor.id,
    name: shown(personal, 'actor.display'),
    type: actor.type,
    type_id: userTypes[actor.type] ?? OTHER,
    credential_uid: actor.apiKeyId,
  };
}

function personOf(uid: string, name: string | undefined): object {
  return { uid, name, type: 'user', type_id: userTypes['user'] };
}

/** Whose sign-in or session it is: the target; of a session its person, who need not be the one who ended it. */
function whom(leaf: Leaf, personal: PersonalValues): object {
  if (leaf.target.type === 'user') return personOf(leaf.target.id, shown(personal, 'target.display'));
  const person = leaf.changes?.['user']?.to;
  return typeof person === 'string' && person !== leaf.actor.id
    ? personOf(person, undefined)
    : actorUser(leaf, personal);
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

function requestOf({ request }: Leaf, personal: PersonalValues): object {
  return {
    uid: request.id,
    http_method: METHODS.has(request.method) ? request.method : undefined,
    user_agent: shown(personal, 'request.userAgent'),
  };
}

function countOf({ changes }: Leaf): number | undefined {
  const count = changes?.['count']?.to;
  return typeof count === 'number' ? count : undefined;
}

/** The client's address; absent where it was erased, for OCSF takes nothing but an address there. */
function address(personal: PersonalValues): string | undefined {
  const ip = personal['request.ip'];
  return ip === 'erased' ? undefined : ip?.value;
}

/** A personal value; absent where there is none, `erased` where it was erased. */
function shown(personal: PersonalValues, path: string): string | undefined {
  const found = personal[path];
  return found === undefined || found === 'erased' ? found : found.value;
}
