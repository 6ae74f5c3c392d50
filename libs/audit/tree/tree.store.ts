import type { OrgTx, SystemTx } from '#database';
import type { Entries, Tile, TileKey } from './tiles.ts';

type Tx = OrgTx | SystemTx;

/** How far a log reaches: its highest position, and how many full tiles of level 0 are kept of it. */
export async function readExtent(tx: Tx, orgId: string): Promise<{ size: number; sealed: number }> {
  const row = await tx.one<{ size: string | null; sealed: string | null }>(
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

/** Those of the tiles that there are. */
export async function readTiles(tx: Tx, orgId: string, keys: readonly TileKey[]): Promise<Tile[]> {
  if (keys.length === 0) return [];
  // By the primary key, whatever the planner believes of the table's length.
  const rows = await tx.query<{ level: number; index: string; root: Buffer; nodes: Buffer }>(
    `SELECT t.level, t.index, t.root, t.nodes FROM unnest($2::int[], $3::bigint[]) AS wanted(level, index),
       LATERAL (SELECT * FROM audit_tiles a
                 WHERE a.org_id = $1 AND a.level = wanted.level AND a.index = wanted.index LIMIT 1) t`,
    [orgId, keys.map(({ level }) => level), keys.map(({ index }) => index)],
  );
  return rows.map((row) => ({ ...row, index: Number(row.index) }));
}

/** Entries of levels above 0: roots of the tiles of the levels below. */
export async function readEntries(
  tx: Tx,
  orgId: string,
  wanted: readonly Entries[],
): Promise<{ level: number; index: number; root: Buffer }[]> {
  if (wanted.length === 0) return [];
  const rows = await tx.query<{ level: number; index: string; root: Buffer }>(
    `SELECT wanted.level, t.index, t.root
       FROM unnest($2::int[], $3::bigint[], $4::bigint[]) AS wanted(level, first, count),
       LATERAL (SELECT index, root FROM audit_tiles a
                 WHERE a.org_id = $1 AND a.level = wanted.level - 1
                   AND a.index >= wanted.first AND a.index < wanted.first + wanted.count
                 ORDER BY a.index LIMIT wanted.count) t`,
    [
      orgId,
      wanted.map(({ level }) => level),
      wanted.map(({ first }) => first),
      wanted.map(({ count }) => count),
    ],
  );
  return rows.map(({ level, index, root }) => ({ level, index: Number(index), root }));
}

/** Hashes of the leaves `first` to `first + count - 1`, counted from 0. */
export async function readLeafHashes(
  tx: Tx,
  orgId: string,
  { first, count }: Entries,
): Promise<{ index: number; hash: Buffer }[]> {
  if (count === 0) return [];
  const rows = await tx.query<{ pos: string; leaf_hash: Buffer }>(
    'SELECT pos, leaf_hash FROM audit_positions WHERE org_id = $1 AND pos > $2 AND pos <= $3 ORDER BY pos',
    [orgId, first, first + count],
  );
  return rows.map(({ pos, leaf_hash: hash }) => ({ index: Number(pos) - 1, hash }));
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
