import { auditActions } from '../catalogue/actions.ts';
import { countOf, type ExportedEvent, type Leaf, operationOf, personConcerned } from './event.ts';
import { type OcsfMapping, ocsfMapping, OTHER } from './ocsf-mapping.ts';

/**
 * Native events as OCSF 1.8.0 (schema.ocsf.io). A table maps each action to its class and activity; the class
 * decides which attributes are required. Proof fields travel in `unmapped`, so that a SIEM can still verify;
 * `raw_data` is the leaf itself.
 */

const severities = { 1: 'Informational', 2: 'Low', 3: 'Medium', 4: 'High' } as const;

/** One OCSF event as a line of JSON, without the line's end. */
export function ocsfLine(event: ExportedEvent): string {
  const { leaf, pos } = event;
  const { classUid, severity } = ocsfMapping[leaf.action];
  const activity = activityOf(leaf);
  const failed = leaf.outcome !== 'success';
  return JSON.stringify({
    activity_id: activity,
    activity_name: activity === OTHER ? (classUid === 3006 ? 'Update' : 'Denied') : undefined,
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
function attributesOf(classUid: OcsfMapping['classUid'], event: ExportedEvent): object {
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
    case 3003:
      return {
        ...shared,
        user: whom(event),
        session: sessionOf(leaf),
        // The class takes one of the two. A session of another organization acts as one of its members; a proof in a
        // session that goes on adds what asks for a fresh proof.
        ...(activityOf(leaf) === ASSIGN_GROUPS
          ? { group: { uid: leaf.org, type: 'organization' } }
          : { privileges: ['fresh_proof'] }),
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
    case 3006: {
      const { held, added, removed } = permissionsOf(leaf);
      const named = activityOf(leaf) === OTHER ? (held ?? []) : [...added, ...removed];
      return {
        ...shared,
        group: { uid: leaf.target.id, name: roleName(leaf), type: leaf.target.type, privileges: held },
        privileges: named.length > 0 ? named : undefined,
      };
    }
    case 6003:
      return {
        ...shared,
        api: { operation: operationOf(event), request: { uid: leaf.request.id } },
        http_request: requestOf(event),
      };
  }
}

const ASSIGN_GROUPS = 2;
const ASSIGN_PRIVILEGES = 1;
const REVOKE_PRIVILEGES = 2;

/** A changed role was given privileges, or lost some, or both: OCSF has a number for the first two. */
function activityOf(leaf: Leaf): number {
  if (leaf.action !== 'role.updated') return ocsfMapping[leaf.action].activity;
  const { added, removed } = permissionsOf(leaf);
  if (added.length > 0 && removed.length === 0) return ASSIGN_PRIVILEGES;
  return removed.length > 0 && added.length === 0 ? REVOKE_PRIVILEGES : OTHER;
}

/** What the record says of a role's permissions; `held` is absent where it says nothing. */
function permissionsOf({ changes }: Leaf): {
  held: string[] | undefined;
  added: string[];
  removed: string[];
} {
  const listed = (value: unknown): string[] | undefined =>
    Array.isArray(value) ? value.filter((one) => typeof one === 'string') : undefined;
  const held = listed(changes?.['permissions']?.to);
  const before = listed(changes?.['permissions']?.from) ?? [];
  return {
    held,
    added: (held ?? []).filter((one) => !before.includes(one)),
    removed: before.filter((one) => !held?.includes(one)),
  };
}

function roleName({ changes }: Leaf): string | undefined {
  const name = changes?.['name']?.to ?? changes?.['name']?.from;
  return typeof name === 'string' ? name : undefined;
}
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
