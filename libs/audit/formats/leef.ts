import { auditActions } from '../catalogue/actions.ts';
import { cefSeverities } from './cef.ts';
import { countOf, type ExportedEvent, personConcerned } from './event.ts';
import { ocsfMapping } from './ocsf-mapping.ts';

/**
 * Native events in IBM's Log Event Extended Format 2.0 (IBM QRadar, "LEEF event components"): a header, then
 * attributes between tabs. The event id and `cat` are fixed words, for QRadar maps events by the two.
 */
const HEADER = 'LEEF:2.0|Portcullis|Portcullis|1.0';
/** The delimiter, which no value holds: a tab, named in hex as the header may. */
const TAB = 'x09';

/** One event as a line, without the line's end. */
export function leefLine(event: ExportedEvent): string {
  const { leaf, pos, leafHash, prevHash, actorName, userAgent, ip } = event;
  const person = personConcerned(event);
  const severity = ocsfMapping[leaf.action].severity;
  const attributes: [string, string | number | undefined][] = [
    ['cat', auditActions[leaf.action].retention],
    ['devTime', leaf.time],
    ['devTimeFormat', "yyyy-MM-dd'T'HH:mm:ss.SSSX"],
    ['sev', Math.max(1, cefSeverities[severity])],
    ['src', ip],
    ['usrName', actorName || leaf.actor.id],
    ['accountName', person?.name ?? person?.id],
    ['resource', `${leaf.target.type}:${leaf.target.id}`],
    ['url', leaf.request.route],
    ['domain', leaf.org],
    ['eventUid', leaf.id],
    ['actorId', leaf.actor.id],
    ['actorType', leaf.actor.type],
    ['sessionId', leaf.actor.sessionId],
    ['outcome', leaf.outcome],
    ['reason', leaf.reason],
    ['requestId', leaf.request.id],
    ['method', leaf.request.method],
    ['userAgent', userAgent],
    ['count', countOf(event)],
    ['changes', leaf.changes && JSON.stringify(leaf.changes)],
    ['position', pos],
    ['leafHash', leafHash],
    ['prevHash', prevHash],
  ];
  const shown = attributes.flatMap(([key, value]) =>
    value === undefined || value === '' ? [] : [`${key}=${oneLine(String(value))}`],
  );
  return `${HEADER}|${leaf.action}|${TAB}|${shown.join('\t')}`;
}

/** LEEF has no way to escape its delimiter or a line's end. */
function oneLine(text: string): string {
  return text.replace(/[\t\r\n]+/g, ' ');
}
