import { Injectable } from '@nestjs/common';
import { Database, type OrgTx, type SystemTx } from '#database';
import type { Caller } from '#kernel';
import { AuditFault } from '../audit.faults.ts';
import { readPrunedUpTo } from '../retention/retention.store.ts';
import { Findings } from './findings.ts';
import { BEGINNING, checkLogged, type Finding } from './log-check.ts';
import { entriesOf, fullTiles, type Tile, tileOf, WIDTH } from './tiles.ts';
import { Altered, Tree } from './tree.ts';
import { insertTile, lockTree, readExtent, readHashes, readLogged, readTile } from './tree.store.ts';

/** Tiles of level 0 that one transaction makes or checks: two thousand events, a few megabytes. */
const TILES = 8;

/**
 * The Merkle tree of each log. Its tiles are made from the positions when somebody needs them, never by a write:
 * by one process at a time, in order, each event's bytes checked against its hash and each position against the one
 * before. Any process may die at it; the next goes on where the last commit was.
 */
@Injectable()
export class OrgTrees {
  constructor(
    private readonly database: Database,
    private readonly findings: Findings,
  ) {}

  /**
   * Reads the tree of the caller's organization; makes tiles first where much of the log has none.
   * Fault: `audit.log_altered`.
   */
  async read<T>(caller: Caller, work: (tree: Tree, tx: OrgTx) => Promise<T>): Promise<T> {
    const attempt = () =>
      this.database.inOrg(caller, async (tx) => {
        const tree = await Tree.open(tx, caller.org.id);
        return tree.isWithinReach ? { value: await work(tree, tx) } : undefined;
      });
    return this.orFinding(caller.org.id, async () => {
      for (;;) {
        const read = await attempt();
        if (read) return read.value;
        await this.extend(caller.org.id);
      }
    });
  }

  /** Makes the tiles that are missing. Throws `audit.log_altered` where the log is not what was written. */
  async extend(orgId: string): Promise<void> {
    for (let more = true; more;) {
      const step = await this.orFinding(orgId, () =>
        this.database.acrossOrgs('audit_tree', (tx) => this.#step(tx, orgId)),
      );
      if (step.finding) throw this.findings.faultOf(orgId, step.finding);
      ({ more } = step);
    }
  }

  /**
   * Compares tiles that were made earlier with the log as it is now, from tile `first` of level 0 on; answers where
   * to go on, or undefined at the end. Throws `audit.log_altered`.
   */
  async check(orgId: string, first: number, count = TILES): Promise<number | undefined> {
    return this.orFinding(orgId, () =>
      this.database.acrossOrgs('audit_tree', async (tx) => {
        const { sealed } = await readExtent(tx, orgId);
        const end = Math.min(first + count, sealed);
        await compareTiles(tx, orgId, first, end);
        return end < sealed ? end : undefined;
      }),
    );
  }

  /**
   * Checks what stands beyond the tiles, which is little once they were made; answers the highest position. Throws
   * `audit.log_altered`.
   */
  async checkTail(orgId: string): Promise<number> {
    return this.orFinding(orgId, () =>
      this.database.acrossOrgs('audit_tree', async (tx) => {
        const { size, sealed } = await readExtent(tx, orgId);
        const from = sealed * WIDTH;
        if (size < from) throw new Altered(cutOff(size, sealed));
        const rows = await readLogged(tx, orgId, from, size);
        const before = await hashBefore(tx, orgId, sealed);
        const prunedUpTo = await readPrunedUpTo(tx, orgId);
        const checked = checkLogged(rows, from + 1, size - from, before, prunedUpTo);
        if ('finding' in checked) throw new Altered(checked.finding);
        return size;
      }),
    );
  }

  /** Answers what was found instead of sealing it: a row that is repaired can still be sealed as it was written. */
  async #step(tx: SystemTx, orgId: string): Promise<{ more: boolean; finding?: Finding | undefined }> {
    await lockTree(tx, orgId);
    const { size, sealed } = await readExtent(tx, orgId);
    const end = Math.min(Math.floor(size / WIDTH), sealed + TILES);
    if (end === sealed) return { more: false };
    const { tiles, finding } =
      end >= sealed ? await tilesOf(tx, orgId, sealed, end) : { tiles: [], finding: cutOff(size, sealed) };
    for (const tile of tiles) await insertTile(tx, orgId, tile);
    await sealAbove(tx, orgId, sealed, sealed + tiles.length);
    if (finding) await this.findings.keepIn(tx, orgId, finding);
    return { more: tiles.length === TILES, finding };
  }

  /** Keeps what the work finds in the log and throws it as `audit.log_altered`. */
  async orFinding<T>(orgId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof Altered ? await this.findings.keep(orgId, error.finding) : error;
    }
  }
}

export const isAltered = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === AuditFault.log_altered.code;

/** Something was found in the log, and is kept; not that it could not be looked at. */
export const isFinding = (error: unknown): boolean =>
  isAltered(error) ||
  (error instanceof Error && 'code' in error && error.code === AuditFault.fork_detected.code);

/** The log is shorter than what its tiles were made of. */
function cutOff(size: number, sealed: number): Finding {
  return { kind: 'position_missing', pos: size + 1, detail: { tiledUpTo: sealed * WIDTH } };
}

/** The tiles `first` to `end - 1` of level 0 as the log says them, up to the first thing wrong with it. */
async function tilesOf(
  tx: SystemTx,
  orgId: string,
  first: number,
  end: number,
): Promise<{ tiles: Tile[]; finding?: Finding }> {
  const rows = await readLogged(tx, orgId, first * WIDTH, end * WIDTH);
  const before = await hashBefore(tx, orgId, first);
  const prunedUpTo = await readPrunedUpTo(tx, orgId);
  const checked = checkLogged(rows, first * WIDTH + 1, (end - first) * WIDTH, before, prunedUpTo);
  const tiles: Tile[] = [];
  for (let at = 0; at + WIDTH <= checked.hashes.length; at += WIDTH) {
    const index = first + at / WIDTH;
    tiles.push(tileOf({ level: 0, index }, checked.hashes.slice(at, at + WIDTH)));
  }
  return 'finding' in checked ? { tiles, finding: checked.finding } : { tiles };
}

/** The last hash of the tile before `first` of level 0. */
async function hashBefore(tx: SystemTx, orgId: string, first: number): Promise<Buffer> {
  const last = first === 0 ? undefined : await readTile(tx, orgId, { level: 0, index: first - 1 });
  return last ? entriesOf(last).subarray(-BEGINNING.length) : BEGINNING;
}

/** Makes the tiles above that are full now that level 0 has gone from `before` tiles to `now`. */
async function sealAbove(tx: SystemTx, orgId: string, before: number, now: number): Promise<void> {
  for (let level = 1; fullTiles(level, now) > 0; level += 1) {
    for (let index = fullTiles(level, before); index < fullTiles(level, now); index += 1) {
      await insertTile(tx, orgId, await tileAbove(tx, orgId, level, index));
    }
  }
}

async function tileAbove(tx: SystemTx, orgId: string, level: number, index: number): Promise<Tile> {
  const entries = await readHashes(tx, orgId, {
    entries: [{ level, first: index * WIDTH, count: WIDTH }],
  });
  if (entries.length < WIDTH) {
    const pos = index * WIDTH ** (level + 1) + 1;
    throw new Altered({ kind: 'tile_differs', pos, detail: { level: level - 1, index: index * WIDTH } });
  }
  return tileOf(
    { level, index },
    entries.map(({ hash }) => hash),
  );
}

/** Throws Altered for the first difference between the log and tiles `first` to `end - 1`, and those above them. */
async function compareTiles(tx: SystemTx, orgId: string, first: number, end: number): Promise<void> {
  const { tiles, finding } = await tilesOf(tx, orgId, first, end);
  for (const tile of tiles) await compareTile(tx, orgId, tile);
  if (finding) throw new Altered(finding);
  for (let level = 1; fullTiles(level, end) > 0; level += 1) {
    for (let index = fullTiles(level, first); index < fullTiles(level, end); index += 1) {
      await compareTile(tx, orgId, await tileAbove(tx, orgId, level, index));
    }
  }
}

async function compareTile(tx: SystemTx, orgId: string, tile: Tile): Promise<void> {
  const { level, index } = tile;
  const kept = await readTile(tx, orgId, tile);
  if (kept?.nodes.equals(tile.nodes) && kept.root.equals(tile.root)) return;
  // The first entry that differs; where only what stands above the entries does, the first of all.
  const [is, was] = [entriesOf(tile), kept && entriesOf(kept)];
  const at = was ? is.findIndex((byte, i) => byte !== was[i]) : -1;
  const entry = index * WIDTH + Math.floor(Math.max(at, 0) / BEGINNING.length);
  throw new Altered({ kind: 'tile_differs', pos: entry * WIDTH ** level + 1, detail: { level, index } });
}
