import { joined, nodeHash, type Range, rowAbove, type Subtree, subtreesOf } from './merkle.ts';

/**
 * Tiles of the tree (c2sp.org/tlog-tiles, height 8): tile N of level L holds the roots of 256 complete subtrees of
 * 256^L leaves each, side by side; its own root is entry N of level L + 1. Only full tiles are kept, so that a tile
 * once written never changes. What lies beyond the last full tile of a level is read from the level below: the
 * roots of its tiles, and at the bottom the positions themselves.
 */

/** Entries of a tile. */
export const WIDTH = 256;
const HEIGHT = 8;
const HASH = 32;

export interface TileKey {
  readonly level: number;
  readonly index: number;
}

export interface Tile extends TileKey {
  readonly root: Buffer;
  /** All below the root, 32 bytes each: the 256 entries, then the 128 nodes above them, and so on to the last two. */
  readonly nodes: Buffer;
}

/** `count` entries of a level from `first` on. */
export interface Entries {
  readonly level: number;
  readonly first: number;
  readonly count: number;
}

/** A complete subtree that stands in a full tile, and where there, in bytes. */
export interface KeptNode extends TileKey {
  readonly subtree: Subtree;
  readonly offset: number;
}

/** What has to be read to know some subtrees. */
export interface Reads {
  readonly nodes: KeptNode[];
  /** Of levels above 0: roots of tiles of `level - 1`. */
  readonly entries: Entries[];
  /** Leaf hashes beyond the tiles. */
  readonly leaves: Entries[];
}

export function tileOf(key: TileKey, entries: readonly Buffer[]): Tile {
  const rows = [Buffer.concat(entries)];
  for (let row = rows[0] as Buffer; row.length > 2 * HASH;) rows.push((row = rowAbove(row)));
  return { ...key, root: rowAbove(rows.at(-1) as Buffer), nodes: Buffer.concat(rows) };
}

/** The entries of a tile without the nodes above them: a tile as c2sp.org/tlog-tiles has it. */
export function entriesOf({ nodes }: Pick<Tile, 'nodes'>): Buffer {
  return nodes.subarray(0, WIDTH * HASH);
}

/** How many tiles of `level` are full where `sealed` of level 0 are. */
export function fullTiles(level: number, sealed: number): number {
  return Math.floor(sealed / WIDTH ** level);
}

/** The hashes of ranges of one tree, from what `readsOf` asked for. */
export class TileHashes {
  /** A proof and the root it leads to have most of their subtrees in common. */
  readonly #subtrees = new Map<string, Buffer>();
  readonly #entries = new Map<string, Buffer>();

  constructor(private readonly sealed: number) {}

  putNode({ height, index }: Subtree, hash: Buffer): void {
    this.#subtrees.set(`${height}/${index}`, hash);
  }

  /** Entry `index` of a level: a leaf hash at level 0, the root of a tile of the level below above it. */
  putEntry(level: number, index: number, hash: Buffer): void {
    this.#entries.set(`${level}/${index}`, hash);
  }

  /** Whether the log has this leaf, and the tile over it, where there is one, has it too. */
  agreesOn(leaf: number): boolean {
    const logged = this.#entries.get(`0/${leaf}`);
    return logged !== undefined && this.#known({ height: 0, index: leaf }).equals(logged);
  }

  hashOf(range: Range): Buffer {
    return joined(subtreesOf(range).map((subtree) => this.#known(subtree)));
  }

  #known(subtree: Subtree): Buffer {
    const key = `${subtree.height}/${subtree.index}`;
    const known = this.#subtrees.get(key) ?? this.#made(subtree);
    this.#subtrees.set(key, known);
    return known;
  }

  /** From the entries beyond the tiles of its level, or, where it reaches beyond all tiles, from its halves. */
  #made(subtree: Subtree): Buffer {
    const { height, index } = subtree;
    if (height > 0 && !isSealed(subtree, this.sealed)) {
      const [left, right] = [2 * index, 2 * index + 1];
      return nodeHash(
        this.#known({ height: height - 1, index: left }),
        this.#known({ height: height - 1, index: right }),
      );
    }
    const { level, first, count } = entriesUnder(subtree);
    let row = Buffer.concat(Array.from({ length: count }, (_, i) => this.#entry(level, first + i)));
    while (row.length > HASH) row = rowAbove(row);
    return row;
  }

  #entry(level: number, index: number): Buffer {
    const entry = this.#entries.get(`${level}/${index}`);
    if (!entry) throw new MissingEntry(level, index);
    return entry;
  }
}

/** An entry that the tiles must hold and do not. */
export class MissingEntry extends Error {
  constructor(
    readonly level: number,
    readonly index: number,
  ) {
    super(`entry ${index} of level ${level} of the tree is missing`);
  }
}

/** What has to be read to know the hashes of these ranges where `sealed` tiles of level 0 are full. */
export function readsOf(ranges: readonly Range[], sealed: number): Reads {
  const nodes = new Map<string, KeptNode>();
  const edges = new Map<string, Entries>();
  const end = sealed * WIDTH;
  let [first, to] = [Infinity, end];
  const add = (subtree: Subtree): void => {
    const key = `${subtree.height}/${subtree.index}`;
    const entries = entriesUnder(subtree);
    const index = Math.floor(entries.first / WIDTH);
    if (index >= fullTiles(entries.level, sealed)) edges.set(key, entries);
    else nodes.set(key, { subtree, level: entries.level, index, offset: offsetOf(entries) });
  };
  for (const subtree of ranges.flatMap(subtreesOf)) {
    const from = subtree.index * 2 ** subtree.height;
    if (isSealed(subtree, sealed)) {
      add(subtree);
      continue;
    }
    // It reaches beyond the tiles: there it is made of leaves, and of complete subtrees before.
    if (from < end) subtreesOf({ from, to: end }).forEach(add);
    first = Math.min(first, Math.max(from, end));
    to = Math.max(to, from + 2 ** subtree.height);
  }
  const leaves = first === Infinity ? [] : [{ level: 0, first, count: to - first }];
  return { nodes: [...nodes.values()], entries: [...edges.values()], leaves };
}

/** Where the node over these entries of one tile stands: rows of 256, 128, … come before its own. */
function offsetOf({ first, count }: Entries): number {
  const before = 2 * WIDTH - (2 * WIDTH) / count;
  return (before + (first % WIDTH) / count) * HASH;
}

function isSealed({ height, index }: Subtree, sealed: number): boolean {
  return (index + 1) * 2 ** height <= sealed * WIDTH;
}

/** The entries of one tile, at the level just at or below the subtree's height, that its root is made of. */
function entriesUnder({ height, index }: Subtree): Entries {
  const level = Math.floor(height / HEIGHT);
  const count = 2 ** (height % HEIGHT);
  return { level, first: index * count, count };
}
