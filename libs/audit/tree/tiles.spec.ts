import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leavesOf, rootOf } from '../../../test/kit/merkle.ts';
import { consistencyRanges, inclusionRanges, type Range } from './merkle.ts';
import { entriesOf, fullTiles, readsOf, type Tile, TileHashes, tileOf, WIDTH } from './tiles.ts';

// More than a tile of level 1 is full with, and then some of everything below.
const LEAVES = WIDTH * WIDTH + 3 * WIDTH + 77;
const leaves = leavesOf(LEAVES);
const tiles = allTiles(leaves);

/** Levels of full tiles, as the database would keep them. */
function allTiles(hashes: readonly Buffer[]): Tile[][] {
  const levels: Tile[][] = [];
  for (let row = hashes, level = 0; row.length >= WIDTH; level += 1) {
    const made = Array.from({ length: Math.floor(row.length / WIDTH) }, (_, index) =>
      tileOf({ level, index }, row.slice(index * WIDTH, (index + 1) * WIDTH)),
    );
    levels.push(made);
    row = made.map(({ root }) => root);
  }
  return levels;
}

/** Hashes of ranges where `sealed` tiles are kept, from what the reads name; and how many rows that took. */
function read(
  ranges: readonly Range[],
  sealed: number,
): { hashes: Buffer[]; rows: number; leafRows: number } {
  const reads = readsOf(ranges, sealed);
  const known = new TileHashes(sealed);
  for (const { level, index, offset, subtree } of reads.nodes) {
    expect(index).toBeLessThan(fullTiles(level, sealed));
    known.putNode(subtree, tiles[level]![index]!.nodes.subarray(offset, offset + 32));
  }
  for (const { level, first, count } of reads.entries) {
    expect(first + count).toBeLessThanOrEqual(fullTiles(level - 1, sealed));
    for (let i = first; i < first + count; i += 1) known.putEntry(level, i, tiles[level - 1]![i]!.root);
  }
  for (const { first, count } of reads.leaves) {
    for (let i = first; i < first + count; i += 1) known.putEntry(0, i, leaves[i]!);
  }
  const counted = (all: readonly { count: number }[]): number =>
    all.reduce((sum, { count }) => sum + count, 0);
  const rows = reads.nodes.length + counted(reads.entries);
  return { hashes: ranges.map((range) => known.hashOf(range)), rows, leafRows: counted(reads.leaves) };
}

const size = fc.integer({ min: 1, max: LEAVES });
const hex = (hashes: readonly Buffer[]): string[] => hashes.map((hash) => hash.toString('hex'));

describe('tiles', () => {
  it('give the root of any size, however many of them there are', () => {
    for (const n of [1, 255, 256, 257, 512, 65_535, 65_536, LEAVES]) {
      const expected = rootOf(leaves.slice(0, n)).toString('hex');
      const most = Math.floor(LEAVES / WIDTH);
      for (const sealed of new Set([0, 1, Math.floor(n / WIDTH), most])) {
        expect(hex(read([{ from: 0, to: n }], sealed).hashes), `${n}, ${sealed} tiles`).toEqual([expected]);
      }
    }
  });

  it('give the hashes of any proof, the same as without tiles', () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), (n, a, b) => {
        const ranges = [...inclusionRanges(a % n, n), ...consistencyRanges((a % n) + 1, n)];
        const sealed = b % (Math.floor(LEAVES / WIDTH) + 1);
        expect(hex(read(ranges, sealed).hashes)).toEqual(
          hex(ranges.map(({ from, to }) => rootOf(leaves.slice(from, to)))),
        );
      }),
      { numRuns: 10 },
    );
  });

  it('cost a proof few rows, whatever the size', () => {
    fc.assert(
      fc.property(size, fc.nat(), (n, a) => {
        const ranges = [...inclusionRanges(a % n, n), { from: 0, to: n }];
        const { rows, leafRows } = read(ranges, Math.floor(n / WIDTH));
        // A path and an edge, and at the edge of each level at most a tile's worth of the one below.
        expect(rows).toBeLessThanOrEqual(2 * 17 + 2 * (WIDTH - 1));
        expect(leafRows).toBeLessThan(WIDTH);
      }),
      { numRuns: 200 },
    );
  });

  it('hold their entries and the root over them', () => {
    const [tile] = tiles[0]!;
    expect(entriesOf(tile!).equals(Buffer.concat(leaves.slice(0, WIDTH)))).toBe(true);
    expect(tile!.root.equals(rootOf(leaves.slice(0, WIDTH)))).toBe(true);
  });
});
