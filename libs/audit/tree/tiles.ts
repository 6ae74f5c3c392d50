import { completeRoot, joined, nodeHash, type Range, type Subtree, subtreesOf } from './merkle.ts';

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
  /** The 256 entries, 32 bytes each. */
  readonly nodes: Buffer;
}

/** `count` entries of a level from `first` on. */
export interface Entries {
  readonly level: number;
  readonly first: number;
  readonly count: number;
}

/** What has to be read to know some subtrees. */
export interface Reads {
  readonly tiles: TileKey[];
  /** Of levels above 0: roots of tiles of `level - 1`. */
  readonly entries: Entries[];
  /** Leaf hashes beyond the tiles. */
  readonly leaves: Entries[];
}

export function tileOf(key: TileKey, entries: readonly Buffer[]): Tile {
  const nodes = Buffer.concat(entries);
  return { ...key, root: completeRoot(nodes), nodes };
}

export function entriesOf(nodes: Buffer): Buffer[] {
  return Array.from({ length: nodes.length / HASH }, (_, i) => nodes.subarray(i * HASH, (i + 1) * HASH));
}

/** How many tiles of `level` are full where `sealed` of level 0 are. */
export function fullTiles(level: number, sealed: number): number {
  return Math.floor(sealed / WIDTH ** level);
}

/** The hashes of ranges of one tree, from what `readsOf` asked for. */
export class TileHashes {
  readonly #tiles = new Map<string, Buffer>();
  readonly #entries = new Map<string, Buffer>();
  /** A proof and the root it leads to have most of their subtrees in common. */
  readonly #subtrees = new Map<string, Buffer>();

  constructor(private readonly sealed: number) {}

  putTile({ level, index, nodes }: Omit<Tile, 'root'>): void {
    this.#tiles.set(`${level}/${index}`, nodes);
  }

  /** Entry `index` of a level: a leaf hash at level 0, the root of a tile of the level below above it. */
  put(level: number, index: number, hash: Buffer): void {
    this.#entries.set(`${level}/${index}`, hash);
  }

  /** Whether the log has this leaf, and the tile over it, where there is one, has it too. */
  agreesOn(leaf: number): boolean {
    const logged = this.#entries.get(`0/${leaf}`);
    return logged !== undefined && this.#entriesOf({ level: 0, first: leaf, count: 1 }).equals(logged);
  }

  hashOf(range: Range): Buffer {
    return joined(subtreesOf(range).map((subtree) => this.#known(subtree)));
  }

  #known(subtree: Subtree): Buffer {
    const key = `${subtree.height}/${subtree.index}`;
    const known = this.#subtrees.get(key) ?? this.#subtree(subtree);
    this.#subtrees.set(key, known);
    return known;
  }

  #subtree(subtree: Subtree): Buffer {
    const { height, index } = subtree;
    if (height === 0 || isSealed(subtree, this.sealed)) {
      return completeRoot(this.#entriesOf(entriesUnder(subtree)));
    }
    const below = height - 1;
    return nodeHash(
      this.#subtree({ height: below, index: 2 * index }),
      this.#subtree({ height: below, index: 2 * index + 1 }),
    );
  }

  /** Side by side. All of one tile, where there is one. */
  #entriesOf({ level, first, count }: Entries): Buffer {
    const at = first % WIDTH;
    const tile = this.#tiles.get(`${level}/${Math.floor(first / WIDTH)}`);
    if (tile) return tile.subarray(at * HASH, (at + count) * HASH);
    return Buffer.concat(
      Array.from({ length: count }, (_, i) => {
        const entry = this.#entries.get(`${level}/${first + i}`);
        if (!entry) throw new MissingEntry(level, first + i);
        return entry;
      }),
    );
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
  const tiles = new Map<string, TileKey>();
  const edges: Entries[] = [];
  const end = sealed * WIDTH;
  let [first, to] = [Infinity, end];
  const add = (subtree: Subtree): void => {
    const entries = entriesUnder(subtree);
    const index = Math.floor(entries.first / WIDTH);
    if (index >= fullTiles(entries.level, sealed)) edges.push(entries);
    else tiles.set(`${entries.level}/${index}`, { level: entries.level, index });
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
  return { tiles: [...tiles.values()], entries: edges, leaves };
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
