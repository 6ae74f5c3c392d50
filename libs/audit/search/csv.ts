import { readEvent } from '../formats/event.ts';
import type { AuditRow } from '../audit.store.ts';

/** The columns of the CSV form of a search (RFC 4180), in their order. */
const COLUMNS = [
  'pos',
  'time',
  'action',
  'outcome',
  'reason',
  'actorType',
  'actorId',
  'actorName',
  'targetType',
  'targetId',
  'targetName',
  'ip',
  'userAgent',
  'requestId',
  'route',
  'changes',
  'leafHash',
] as const;

export const csvHead = `${COLUMNS.join(',')}\r\n`;

/** One event as a line of CSV with its end. */
export function csvLine(row: AuditRow): string {
  const event = readEvent(row);
  const { leaf, pos, actorName, targetName, ip, userAgent, leafHash } = event;
  const fields: Record<(typeof COLUMNS)[number], string | number | undefined> = {
    pos,
    time: leaf.time,
    action: leaf.action,
    outcome: leaf.outcome,
    reason: leaf.reason,
    actorType: leaf.actor.type,
    actorId: leaf.actor.id,
    actorName,
    targetType: leaf.target.type,
    targetId: leaf.target.id,
    targetName,
    ip,
    userAgent,
    requestId: leaf.request.id,
    route: `${leaf.request.method} ${leaf.request.route}`,
    changes: leaf.changes && JSON.stringify(leaf.changes),
    leafHash,
  };
  return `${COLUMNS.map((name) => csvField(String(fields[name] ?? ''))).join(',')}\r\n`;
}

/**
 * A field, always in quotes. One that a spreadsheet would take for a formula gets an apostrophe before it (OWASP,
 * "CSV Injection"): after blanks and control characters too, which some programs pass over.
 */
export function csvField(text: string): string {
  const guarded = /^[\s\p{Cc}\p{Cf}]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/u.test(text)
    ? `'${text}`
    : text;
  return `"${guarded.replaceAll('"', '""')}"`;
}
