import { countOf, type ExportedEvent, operationOf, personConcerned } from './event.ts';
import { kindOf, ocsfMapping } from './ocsf-mapping.ts';

/**
 * Native events in the Elastic Common Schema 9.0 (elastic.co/docs/reference/ecs). What ECS has no field for, the
 * proof among it, stands under `portcullis`, as custom fields do there.
 */

interface Kind {
  /** Allowed values: ECS field event.category. */
  readonly category: readonly string[];
  /** Allowed values: ECS field event.type. */
  readonly type: readonly string[];
}

/** By OCSF class and activity, which say of each action what kind it is. */
export const ecsKinds: Readonly<Record<string, Kind>> = {
  '2004/1': { category: ['intrusion_detection'], type: ['indicator'] },
  '3001/1': { category: ['iam'], type: ['user', 'creation'] },
  '3001/2': { category: ['iam'], type: ['user', 'change'] },
  '3001/3': { category: ['iam'], type: ['user', 'change'] },
  '3001/4': { category: ['iam'], type: ['user', 'change'] },
  '3001/5': { category: ['iam'], type: ['user', 'change'] },
  '3001/6': { category: ['iam'], type: ['user', 'deletion'] },
  '3001/9': { category: ['iam'], type: ['user', 'change'] },
  '3001/10': { category: ['iam'], type: ['user', 'change'] },
  '3001/11': { category: ['iam'], type: ['user', 'change'] },
  '3001/12': { category: ['iam'], type: ['user', 'change'] },
  '3001/99': { category: ['iam'], type: ['user', 'info'] },
  '3002/1': { category: ['authentication'], type: ['start'] },
  '3002/2': { category: ['authentication', 'session'], type: ['end'] },
  '3002/5': { category: ['authentication', 'session'], type: ['info'] },
  '3002/6': { category: ['authentication'], type: ['info'] },
  '3002/7': { category: ['authentication', 'session'], type: ['start'] },
  '3002/99': { category: ['authentication'], type: ['info'] },
  '3003/1': { category: ['iam', 'session'], type: ['user', 'change'] },
  '3003/2': { category: ['authentication', 'session'], type: ['start'] },
  '3004/1': { category: ['configuration'], type: ['creation'] },
  '3004/2': { category: ['configuration'], type: ['access'] },
  '3004/3': { category: ['configuration'], type: ['change'] },
  '3004/4': { category: ['configuration'], type: ['deletion'] },
  '3004/8': { category: ['configuration'], type: ['change'] },
  '3004/9': { category: ['configuration'], type: ['change'] },
  '3004/10': { category: ['configuration'], type: ['change'] },
  '3004/11': { category: ['configuration'], type: ['change'] },
  '3004/12': { category: ['configuration'], type: ['change'] },
  '3004/13': { category: ['configuration'], type: ['change'] },
  '3005/1': { category: ['iam'], type: ['user', 'group', 'change'] },
  '3005/2': { category: ['iam'], type: ['user', 'group', 'deletion'] },
  '3006/5': { category: ['iam'], type: ['group', 'deletion'] },
  '3006/6': { category: ['iam'], type: ['group', 'creation'] },
  '3006/99': { category: ['iam'], type: ['group', 'change'] },
  '6002/1': { category: ['configuration'], type: ['installation'] },
  '6002/3': { category: ['process'], type: ['start'] },
  '6003/2': { category: ['api'], type: ['access'] },
  '6003/4': { category: ['api'], type: ['deletion'] },
  '6003/99': { category: ['api'], type: ['denied'] },
};

const OUTCOMES = { success: 'success', denied: 'failure', failure: 'failure' } as const;

/** One ECS document as a line of JSON, without the line's end. */
export function ecsLine(event: ExportedEvent): string {
  const { leaf, pos, leafHash, prevHash, actorName, userAgent, ip } = event;
  const { category, type } = ecsKinds[kindOf(leaf.action)] ?? UNKNOWN;
  const person = personConcerned(event);
  return JSON.stringify({
    '@timestamp': leaf.time,
    message: leaf.action,
    ecs: { version: '9.0.0' },
    event: {
      id: leaf.id,
      sequence: pos,
      kind: ocsfMapping[leaf.action].severity === 4 ? 'alert' : 'event',
      category,
      type,
      action: leaf.action,
      outcome: OUTCOMES[leaf.outcome],
      reason: leaf.reason,
      provider: 'portcullis',
      module: 'portcullis',
      dataset: 'portcullis.audit',
      hash: leafHash,
      original: event.leafText,
    },
    organization: { id: leaf.org },
    user: {
      id: leaf.actor.id,
      name: actorName,
      target: person && { id: person.id, name: person.name },
    },
    source: ip === undefined ? undefined : { ip },
    user_agent: userAgent === undefined ? undefined : { original: userAgent },
    http: { request: { id: leaf.request.id, method: leaf.request.method } },
    observer: { vendor: 'Portcullis', product: 'Portcullis', type: 'iam' },
    related: {
      user: [...new Set([leaf.actor.id, ...(person ? [person.id] : [])])],
      ip: ip === undefined ? undefined : [ip],
      hash: [leafHash],
    },
    portcullis: {
      pos,
      leaf_hash: leafHash,
      prev_hash: prevHash,
      operation: operationOf(event),
      outcome: leaf.outcome,
      actor: leaf.actor,
      target: leaf.target,
      changes: leaf.changes,
      count: countOf(event),
    },
  });
}

const UNKNOWN: Kind = { category: ['configuration'], type: ['info'] };
