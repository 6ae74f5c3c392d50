import type { AuditAction } from '../catalogue/actions.ts';
import type { AuditRow } from '../audit.store.ts';
import { type ExportFormat, lineOf } from '../formats/format.ts';
import { ocsfMapping } from '../formats/ocsf-mapping.ts';
import type { SinkEvent } from './delivery.ts';

/** Which events a sink takes; all where nothing is said. */
export interface SinkFilter {
  /** Actions, or `auth.*` for all of a kind. */
  readonly actions?: readonly string[] | undefined;
  readonly outcomes?: readonly string[] | undefined;
  /** As of OCSF, 1 to 4. */
  readonly minSeverity?: number | undefined;
}

/** A row of the log as a sink of this format gets it; undefined where its filter leaves the event out. */
export function sinkEvent(
  org: string,
  row: AuditRow & { event_id: string },
  format: ExportFormat,
  filter: SinkFilter,
): SinkEvent | undefined {
  const { time, action, outcome } = JSON.parse(row.leaf) as {
    time: string;
    action: AuditAction;
    outcome: string;
  };
  // A newer version may have written what this one does not know: it goes through, as the log's other readers do.
  const severity = ocsfMapping[action]?.severity ?? 1;
  if (filter.outcomes && !filter.outcomes.includes(outcome)) return undefined;
  if (filter.minSeverity !== undefined && severity < filter.minSeverity) return undefined;
  if (filter.actions && !filter.actions.some((one) => matches(one, action))) return undefined;
  const line = format === 'native' ? nativeLine(row) : lineOf(format, row);
  return {
    org,
    pos: Number(row.pos),
    id: row.event_id,
    time,
    action,
    severity,
    leafHash: row.leaf_hash,
    line,
  };
}

function matches(pattern: string, action: string): boolean {
  return pattern.endsWith('.*') ? action.startsWith(pattern.slice(0, -1)) : pattern === action;
}

/** The same bytes that the export writes. */
function nativeLine({ leaf, pos, leaf_hash, prev_hash, personal }: AuditRow): string {
  return `${leaf.slice(0, -1)},"pos":${pos},"leafHash":"${leaf_hash}","prevHash":"${prev_hash}","personal":${personal}}`;
}

/** A signed checkpoint as a line of its own: `{"v":1,"checkpoint":…,"org":…,"size":…}`, whatever the format. */
export function checkpointEvent(
  org: string,
  { size, note, issued_at }: { size: string; note: string; issued_at: Date },
): SinkEvent {
  const line = JSON.stringify({ v: 1, org, size: Number(size), checkpoint: note });
  return {
    org,
    pos: 0,
    id: `checkpoint-${size}`,
    time: issued_at.toISOString(),
    action: 'audit.checkpoint',
    severity: 1,
    leafHash: '',
    line,
  };
}
