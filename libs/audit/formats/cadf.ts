import { countOf, type ExportedEvent, operationOf } from './event.ts';
import { kindOf } from './ocsf-mapping.ts';

/**
 * Native events in DMTF's Cloud Auditing Data Federation (DSP0262 1.0.0): who (initiator) did what (action) to what
 * (target), seen by whom (observer). The proof travels as an attachment.
 */

/** The action of DSP0262 annex A.3, by OCSF class and activity, which say of each of ours what kind it is. */
export const cadfActions: Readonly<Record<string, string>> = {
  '2004/1': 'notify',
  '3001/1': 'create',
  '3001/2': 'enable',
  '3001/3': 'update/password',
  '3001/4': 'update/password',
  '3001/5': 'disable',
  '3001/6': 'delete',
  '3001/9': 'disable/lock',
  '3001/10': 'enable/mfa',
  '3001/11': 'disable/mfa',
  '3001/12': 'enable/unlock',
  '3001/99': 'update',
  '3002/1': 'authenticate/login',
  '3002/2': 'authenticate/logout',
  '3002/5': 'renew',
  '3002/6': 'authenticate',
  '3002/7': 'authenticate/switch',
  '3002/99': 'authenticate',
  '3003/1': 'authenticate',
  '3003/2': 'authenticate/switch',
  '3004/1': 'create',
  '3004/2': 'read',
  '3004/3': 'update',
  '3004/4': 'delete',
  '3004/8': 'enable',
  '3004/9': 'disable',
  '3004/10': 'start',
  '3004/11': 'stop',
  '3004/12': 'disable',
  '3004/13': 'enable',
  '3005/1': 'allow',
  '3005/2': 'revoke',
  '3006/5': 'delete',
  '3006/6': 'create',
  '3006/99': 'update',
  '6002/1': 'deploy',
  '6002/3': 'start',
  '6003/2': 'read',
  '6003/4': 'delete',
  '6003/99': 'deny',
};

/** Resource types of DSP0262 annex A.2, by the types of our actors and targets. */
const RESOURCES: Readonly<Record<string, string>> = {
  user: 'data/security/account/user',
  api_key: 'data/security/credential',
  session: 'data/security/identity',
  signing_key: 'data/security/key',
  audit_key: 'data/security/key',
  org_key: 'data/security/key',
  master_key: 'data/security/key',
  secret: 'data/security/credential',
  role: 'data/security/role',
  organization: 'data/security/project',
  policy: 'data/security/policy',
  service_account: 'data/security/account',
  system: 'service/security',
  deployment: 'service/security',
  audit_log: 'data/log',
  route: 'service/security',
  anonymous: 'unknown',
};

const URI = 'http://schemas.dmtf.org/cloud/audit/1.0/event';

/** One event as a line of JSON, without the line's end. */
export function cadfLine(event: ExportedEvent): string {
  const { leaf, pos, leafHash, prevHash, actorName, targetName, userAgent, ip } = event;
  return JSON.stringify({
    typeURI: URI,
    id: leaf.id,
    eventType: leaf.outcome === 'denied' ? 'control' : 'activity',
    eventTime: leaf.time.replace('Z', '+0000'),
    action: cadfActions[kindOf(leaf.action)] ?? 'unknown',
    outcome: leaf.outcome === 'success' ? 'success' : 'failure',
    reason: { reasonType: 'portcullis', reasonCode: leaf.reason ?? leaf.outcome },
    initiator: {
      id: leaf.actor.id,
      typeURI: resourceOf(leaf.actor.type),
      name: actorName,
      host: { address: ip, agent: userAgent },
    },
    target: { id: leaf.target.id, typeURI: resourceOf(leaf.target.type), name: targetName },
    observer: { id: leaf.org, typeURI: 'service/security', name: 'Portcullis' },
    requestPath: leaf.request.route,
    attachments: [
      {
        typeURI: 'mime:application/json',
        name: 'portcullis',
        content: {
          action: leaf.action,
          pos,
          leafHash,
          prevHash,
          leaf: event.leafText,
          operation: operationOf(event),
          count: countOf(event),
        },
      },
    ],
  });
}

function resourceOf(type: string): string {
  return RESOURCES[type] ?? 'data/security';
}
