import type { OrgTx, SystemTx } from '#database';
import type { Reads, Tile, TileKey } from './tiles.ts';

type Tx = OrgTx | SystemTx;

/** How far a log reaches: its highest position, and how many full tiles of level 0 are kept of it. */
export async function readExtent(tx: Tx, orgId: string): Promise<{ size: number; sealed: number }> {
  const [row] = await tx.prepared<{ size: string | null; sealed: string | null }>(
    'read_log_extent',
    `SELECT (SELECT pos FROM audit_positions WHERE org_id = $1 ORDER BY pos DESC LIMIT 1) AS size,
            (SELECT index + 1 FROM audit_tiles WHERE org_id = $1 AND level = 0 ORDER BY index DESC LIMIT 1) AS sealed`,
    [orgId],
  );
  return { size: Number(row?.size ?? 0), sealed: Number(row?.sealed ?? 0) };
}

/** One tile after the other: by one process at a time, and in the order of their indexes. */
export async function lockTree(tx: SystemTx, orgId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('audit-tree:' || $1, 0))`, [orgId]);
}

export interface KeptHash {
  readonly kind: 'node' | 'entry' | 'leaf';
  /** Of a node its place in what was wanted. */
  readonly index: number;
  readonly level: number;
  readonly hash: Buffer;
}

/** Those that there are of what is wanted, by their keys and in one round trip; in order within each kind. */
export async function readHashes(tx: Tx, orgId: string, wanted: Partial<Reads>): Promise<KeptHash[]> {
  const { nodes = [], entries = [], leaves = [] } = wanted;
  // LIMIT keeps the planner to the primary key, whatever it believes of the table's length. Prepared, for to plan this
  // takes longer than to do it.
  const rows = await tx.prepared<Omit<KeptHash, 'index'> & { index: string }>(
    'read_tree_hashes',
    `SELECT 'node' AS kind, w.level, w.n - 1 AS index, t.hash
       FROM unnest($2::int[], $3::bigint[], $4::int[]) WITH ORDINALITY AS w(level, index, at, n),
       LATERAL (SELECT substring(nodes FROM w.at + 1 FOR 32) AS hash FROM audit_tiles
                 WHERE org_id = $1 AND level = w.level AND index = w.index LIMIT 1) t
     UNION ALL
     SELECT 'entry', w.level, t.index, t.root
       FROM unnest($5::int[], $6::bigint[], $7::bigint[]) AS w(level, first, count),
       LATERAL (SELECT index, root FROM audit_tiles
                 WHERE org_id = $1 AND level = w.level - 1 AND index >= w.first AND index < w.first + w.count
                 ORDER BY index LIMIT w.count) t
     UNION ALL
     SELECT 'leaf', 0, t.pos - 1, t.leaf_hash
       FROM unnest($8::bigint[], $9::bigint[]) AS w(first, count),
       LATERAL (SELECT pos, leaf_hash FROM audit_positions
                 WHERE org_id = $1 AND pos > w.first AND pos <= w.first + w.count ORDER BY pos LIMIT w.count) t`,
    [
      orgId,
      nodes.map(({ level }) => level),
      nodes.map(({ index }) => index),
      nodes.map(({ offset }) => offset),
      entries.map(({ level }) => level),
      entries.map(({ first }) => first),
      entries.map(({ count }) => count),
      leaves.map(({ first }) => first),
      leaves.map(({ count }) => count),
    ],
  );
  return rows.map((row) => ({ ...row, index: Number(row.index) }));
}

export async function readTile(tx: Tx, orgId: string, { level, index }: TileKey): Promise<Tile | undefined> {
  const kept = await tx.one<{ root: Buffer; nodes: Buffer }>(
    'SELECT root, nodes FROM audit_tiles WHERE org_id = $1 AND level = $2 AND index = $3',
    [orgId, level, index],
  );
  return kept && { level, index, ...kept };
}

/** A position and the event that stands there, as far as there is one. */
export interface LoggedRow {
  readonly pos: string;
  readonly leaf_hash: Buffer;
  readonly prev_hash: Buffer;
  readonly leaf: string | null;
  /** The hash that was stored with the event. */
  readonly event_hash: Buffer | null;
}

/** The positions `after + 1` to `upTo` with what was logged there. */
export async function readLogged(tx: Tx, orgId: string, after: number, upTo: number): Promise<LoggedRow[]> {
  return tx.query<LoggedRow>(
    `SELECT p.pos, p.leaf_hash, p.prev_hash, e.leaf, e.leaf_hash AS event_hash
       FROM audit_positions p LEFT JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
      WHERE p.org_id = $1 AND p.pos > $2 AND p.pos <= $3 ORDER BY p.pos`,
    [orgId, after, upTo],
  );
}

export async function insertTile(tx: SystemTx, orgId: string, tile: Tile): Promise<void> {
  await tx.query('INSERT INTO audit_tiles (org_id, level, index, root, nodes) VALUES ($1, $2, $3, $4, $5)', [
    orgId,
    tile.level,
    tile.index,
    tile.root,
    tile.nodes,
  ]);
}
