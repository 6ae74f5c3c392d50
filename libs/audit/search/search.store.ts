import type { OrgTx, SystemTx } from '#database';
import type { AuditRow } from '../audit.store.ts';

export interface AuditFilter {
  readonly action?: string | undefined;
  readonly actorId?: string | undefined;
  readonly targetId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly outcome?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** How far what is searched by reaches, and the log. */
export interface SearchExtent {
  readonly indexed: number;
  readonly size: number;
}

export async function readSearchExtent(tx: OrgTx | SystemTx, orgId: string): Promise<SearchExtent> {
  const row = await tx.one<{ indexed: string | null; size: string | null }>(
    `SELECT greatest((SELECT pos FROM audit_search WHERE org_id = $1 ORDER BY pos DESC LIMIT 1),
                     (SELECT up_to FROM audit_prunings WHERE org_id = $1 ORDER BY up_to DESC LIMIT 1)) AS indexed,
            (SELECT pos FROM audit_positions WHERE org_id = $1 ORDER BY pos DESC LIMIT 1) AS size`,
    [orgId],
  );
  return { indexed: Number(row?.indexed ?? 0), size: Number(row?.size ?? 0) };
}

/** Takes up the next `count` positions, by one process at a time; how far it reaches then. */
export async function extendSearch(tx: SystemTx, orgId: string, count: number): Promise<SearchExtent> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('audit-search:' || $1, 0))`, [orgId]);
  const { indexed, size } = await readSearchExtent(tx, orgId);
  const upTo = Math.min(indexed + count, size);
  await tx.query(
    `INSERT INTO audit_search (org_id, pos, time, actor, action, target, request, outcome)
     SELECT p.org_id, p.pos, e.time, audit_term(e.actor_id), audit_term(e.action), audit_term(e.target_id),
            audit_term(coalesce(e.leaf::jsonb #>> '{request,id}', '')), left(e.outcome, 1)::"char"
       FROM audit_positions p JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
      WHERE p.org_id = $1 AND p.pos > $2 AND p.pos <= $3 ORDER BY p.pos`,
    [orgId, indexed, upTo],
  );
  return { indexed: upTo, size };
}

/** Logs that somebody has searched. */
export async function readSearched(tx: SystemTx): Promise<string[]> {
  const rows = await tx.query<{ org_id: string }>(
    `WITH RECURSIVE logs AS (
       (SELECT org_id FROM audit_search ORDER BY org_id LIMIT 1)
       UNION ALL
       SELECT (SELECT s.org_id FROM audit_search s WHERE s.org_id > logs.org_id ORDER BY s.org_id LIMIT 1)
         FROM logs WHERE logs.org_id IS NOT NULL)
     SELECT org_id FROM logs WHERE org_id IS NOT NULL`,
  );
  return rows.map((row) => row.org_id);
}

/** Filters as SQL over audit_search s, and over audit_events e: hashes find, the texts themselves decide. */
const TERMS = [
  ['action', 's.action = audit_term(?)', 'e.action = ?'],
  ['actorId', 's.actor = audit_term(?)', 'e.actor_id = ?'],
  ['targetId', 's.target = audit_term(?)', 'e.target_id = ?'],
  ['requestId', 's.request = audit_term(?)', `e.leaf::jsonb #>> '{request,id}' = ?`],
  ['outcome', 's.outcome = left(?, 1)::"char"', 'e.outcome = ?'],
  ['from', 's.time >= ?::timestamptz', 'e.time >= ?::timestamptz'],
  ['to', 's.time < ?::timestamptz', 'e.time < ?::timestamptz'],
] as const satisfies readonly (readonly [keyof AuditFilter, string, string])[];

const COLUMNS = `p.pos, e.leaf, e.personal, encode(p.leaf_hash, 'hex') AS leaf_hash, encode(p.prev_hash, 'hex') AS prev_hash`;
const EVENTS =
  'JOIN audit_positions p ON p.org_id = s.org_id AND p.pos = s.pos JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id';

/**
 * Newest first, below position `before`: from what is searched by up to `indexed`, and above that from the log itself.
 * The statement is put together of only what was asked, so that each has a plan for just that.
 */
export async function searchEvents(
  tx: OrgTx,
  filter: AuditFilter,
  { before, limit, indexed }: { before: number; limit: number; indexed: number },
): Promise<AuditRow[]> {
  const values: unknown[] = [tx.orgId, before, limit, indexed];
  const found: string[] = [];
  const decided: string[] = [];
  for (const [name, search, event] of TERMS) {
    const value = filter[name];
    if (value === undefined) continue;
    values.push(value);
    // One parameter, one type.
    const parameter = `$${values.length}::text`;
    found.push(`AND ${search.replace('?', parameter)}`);
    decided.push(`AND ${event.replace('?', parameter)}`);
  }
  // Nothing to find by: the positions themselves are the index.
  if (found.length === 0) values[3] = 0;
  // The planner knows nothing of what stands in a leaf; few rows are found, each leads to its event by its key.
  await tx.query(
    `SELECT set_config(name, 'off', true) FROM unnest('{enable_seqscan,enable_hashjoin,enable_mergejoin}'::text[]) AS name`,
  );
  return tx.query<AuditRow>(
    `(SELECT ${COLUMNS} FROM audit_positions s ${EVENTS}
       WHERE s.org_id = $1 AND s.pos < $2 AND s.pos > $4 ${decided.join(' ')} ORDER BY s.pos DESC LIMIT $3)
     UNION ALL
     (SELECT ${COLUMNS} FROM audit_search s ${EVENTS}
       WHERE s.org_id = $1 AND s.pos < $2 AND s.pos <= $4 ${[...found, ...decided].join(' ')}
       ORDER BY s.pos DESC LIMIT $3)
     ORDER BY pos DESC LIMIT $3`,
    values,
  );
}
