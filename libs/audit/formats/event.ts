import type { AuditAction } from '../catalogue/actions.ts';
import type { AuditRow } from '../audit.store.ts';

/** The parts of a native leaf that formats read (contract, "Audit"). */
export interface Leaf {
  readonly id: string;
  readonly org: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
  readonly actor: {
    readonly type: string;
    readonly id: string;
    readonly sessionId?: string;
    readonly apiKeyId?: string;
    readonly onBehalfOf?: string;
  };
  readonly action: AuditAction;
  readonly target: { readonly type: string; readonly id: string };
  readonly outcome: 'success' | 'denied' | 'failure';
  readonly reason?: string;
  readonly request: { readonly id: string; readonly method: string; readonly route: string };
  readonly changes?: Readonly<Record<string, { from?: unknown; to?: unknown }>>;
}

/** A row of the log, read once for whatever format. Hashes are hex. */
export interface ExportedEvent {
  readonly pos: number;
  readonly leaf: Leaf;
  /** The very bytes that the leaf hash is over. */
  readonly leafText: string;
  readonly leafHash: string;
  readonly prevHash: string;
  /** Personal values: absent where there is none, `erased` where it was erased. */
  readonly actorName: string | undefined;
  readonly targetName: string | undefined;
  readonly userAgent: string | undefined;
  /** The client's address; absent also where it was erased, for formats take nothing but an address there. */
  readonly ip: string | undefined;
}

export function readEvent(row: AuditRow): ExportedEvent {
  const personal = JSON.parse(row.personal) as Record<string, { value: string } | 'erased'>;
  const shown = (path: string): string | undefined => {
    const found = personal[path];
    return found === undefined || found === 'erased' ? found : found.value;
  };
  return {
    pos: Number(row.pos),
    leaf: JSON.parse(row.leaf) as Leaf,
    leafText: row.leaf,
    leafHash: row.leaf_hash,
    prevHash: row.prev_hash,
    actorName: shown('actor.display'),
    targetName: shown('target.display'),
    userAgent: shown('request.userAgent'),
    ip: personal['request.ip'] === 'erased' ? undefined : shown('request.ip'),
  };
}

/** Whose sign-in, session or membership it is: the target; of a session its person, who may not be the actor. */
export function personConcerned({
  leaf,
  targetName,
}: ExportedEvent): { id: string; name?: string } | undefined {
  if (leaf.target.type === 'user')
    return { id: leaf.target.id, ...(targetName !== undefined && { name: targetName }) };
  const person = leaf.changes?.['user']?.to;
  return typeof person === 'string' ? { id: person } : undefined;
}

/** How many events one counted record stands for. */
export function countOf({ leaf }: ExportedEvent): number | undefined {
  const count = leaf.changes?.['count']?.to;
  return typeof count === 'number' ? count : undefined;
}

/** A route of the product, or `various` and the like. */
export function operationOf({ leaf }: ExportedEvent): string {
  return `${leaf.request.method} ${leaf.request.route}`;
}
