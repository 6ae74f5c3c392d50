import { isIPv4, isIPv6 } from 'node:net';
import { auditActions } from '../catalogue/actions.ts';
import { countOf, type ExportedEvent, operationOf, personConcerned } from './event.ts';
import { ocsfMapping } from './ocsf-mapping.ts';

/**
 * Native events in ArcSight's Common Event Format, CEF:0 (ArcSight Common Event Format Implementation Standard,
 * revision 26): seven header fields, then key=value pairs. The standard bounds the length of values; what is longer is
 * cut, and the native export has it whole.
 */

/** CEF severity 0 to 10 of our four levels. */
export const cefSeverities = { 1: 2, 2: 4, 3: 6, 4: 9 } as const;

const MAX = { default: 1_023, custom: 4_000, id: 40 } as const;

/** One event as a line, without the line's end. */
export function cefLine(event: ExportedEvent): string {
  const { leaf } = event;
  const header = [
    'CEF:0',
    'Portcullis',
    'Portcullis',
    '1.0',
    leaf.action,
    auditActions[leaf.action].description,
    String(cefSeverities[ocsfMapping[leaf.action].severity]),
  ].map(escapeHeader);
  const fields = extensionOf(event).flatMap(([key, value, max]) =>
    value === undefined || value === '' ? [] : [`${key}=${escapeValue(cut(String(value), max))}`],
  );
  return `${header.join('|')}|${fields.join(' ')}`;
}

type Extension = [key: string, value: string | number | undefined, max?: number];

function extensionOf(event: ExportedEvent): Extension[] {
  const { leaf, pos, leafHash, prevHash, actorName, targetName, userAgent, ip } = event;
  const person = personConcerned(event);
  const custom = (n: number, label: string, value: string | undefined): Extension[] =>
    value === undefined
      ? []
      : [
          [`cs${n}Label`, label],
          [`cs${n}`, value, MAX.custom],
        ];
  return [
    ['rt', Date.parse(leaf.time)],
    ['externalId', leaf.id, MAX.id],
    ['cat', auditActions[leaf.action].retention],
    ['act', leaf.action, 63],
    ['outcome', leaf.outcome, 63],
    ['reason', leaf.reason],
    ['suid', leaf.actor.id],
    ['suser', actorName],
    ['duid', person?.id],
    ['duser', person?.name ?? (person ? targetName : undefined)],
    ['src', ip !== undefined && isIPv4(ip) ? ip : undefined],
    ...(ip !== undefined && isIPv6(ip)
      ? ([
          ['c6a2Label', 'Source IPv6 Address'],
          ['c6a2', ip],
        ] satisfies Extension[])
      : []),
    ['requestMethod', leaf.request.method],
    ['request', leaf.request.route],
    ['requestClientApplication', userAgent],
    ['cnt', countOf(event)],
    ['cn1Label', 'position'],
    ['cn1', pos],
    ...custom(1, 'organization', leaf.org),
    ...custom(2, 'leafHash', leafHash),
    ...custom(3, 'prevHash', prevHash),
    ...custom(4, 'target', `${leaf.target.type}:${leaf.target.id}`),
    ...custom(5, 'session', leaf.actor.sessionId),
    ...custom(6, 'changes', leaf.changes && JSON.stringify(leaf.changes)),
    ['msg', operationOf(event)],
  ];
}

/** At most `max` characters, and no half of a surrogate pair. */
function cut(text: string, max: number = MAX.default): string {
  return text.length <= max
    ? text
    : text
        .slice(0, max)
        .toWellFormed()
        .replace(/\uFFFD$/, '');
}

function escapeHeader(text: string): string {
  return text.replace(/[\\|]/g, '\\$&').replace(/[\r\n]+/g, ' ');
}

function escapeValue(text: string): string {
  return text.replace(/[\\=]/g, '\\$&').replace(/\r/g, '\\r').replace(/\n/g, '\\n');
}
