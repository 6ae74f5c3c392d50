import type { AuditRow } from '../audit.store.ts';
import { cadfLine } from './cadf.ts';
import { cefLine } from './cef.ts';
import { ecsLine } from './ecs.ts';
import { type ExportedEvent, readEvent } from './event.ts';
import { leefLine } from './leef.ts';
import { ocsfLine } from './ocsf.ts';

export const exportFormats = ['native', 'ocsf', 'ecs', 'cef', 'leef', 'cadf'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** Every form an event leaves in beside the native one, which the database itself writes. */
const mapped: Readonly<Record<Exclude<ExportFormat, 'native'>, (event: ExportedEvent) => string>> = {
  ocsf: ocsfLine,
  ecs: ecsLine,
  cef: cefLine,
  leef: leefLine,
  cadf: cadfLine,
};

/** One event in a format that is not the native one, without the line's end. */
export function lineOf(format: Exclude<ExportFormat, 'native'>, row: AuditRow): string {
  return mapped[format](readEvent(row));
}

/** CEF and LEEF are lines of text; the rest are JSON, one value a line. */
export function contentTypeOf(format: ExportFormat): string {
  return format === 'cef' || format === 'leef' ? 'text/plain; charset=utf-8' : 'application/x-ndjson';
}
