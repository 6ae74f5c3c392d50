import type { OrgTx, SystemTx } from '#database';
import type { Finding } from './log-check.ts';
import {
  consistencyRanges,
  inclusionRanges,
  provesConsistency,
  provesInclusion,
  type Range,
} from './merkle.ts';
import { MissingEntry, readsOf, TileHashes, WIDTH } from './tiles.ts';
import { readExtent, readHashes } from './tree.store.ts';

/** Leaves beyond the tiles that are read one by one before somebody has to make tiles of them: a millisecond's worth. */
const TAIL = 4 * WIDTH;

/** The log is not what the product wrote. */
export class Altered extends Error {
  constructor(readonly finding: Finding) {
    super(`${finding.kind} at position ${finding.pos}`);
  }
}

/** It does not continue what was signed of it before. */
export class Forked extends Altered {
  constructor(
    finding: Finding,
    readonly before: { readonly size: number; readonly root: Buffer },
  ) {
    super(finding);
  }
}

/** A proof and the root that it leads to. */
export interface Proof {
  readonly hashes: Buffer[];
  readonly root: Buffer;
}

/**
 * The Merkle tree of one log as a transaction sees it. Each question costs a handful of rows by their keys, whatever
 * the log's length; nothing is kept in memory. What is answered has been checked: a proof that does not prove is an
 * `Altered`.
 */
export class Tree {
  private constructor(
    private readonly tx: OrgTx | SystemTx,
    private readonly orgId: string,
    /** The highest position of the log. */
    readonly size: number,
    private readonly sealed: number,
  ) {}

  static async open(tx: OrgTx | SystemTx, orgId: string): Promise<Tree> {
    const { size, sealed } = await readExtent(tx, orgId);
    return new Tree(tx, orgId, size, sealed);
  }

  /** False where so much of the log has no tiles yet that reading it would take long. */
  get isWithinReach(): boolean {
    return this.size - this.sealed * WIDTH < TAIL;
  }

  /** RFC 6962 root over the first `size` positions, which there must be. */
  async rootAt(size: number): Promise<Buffer> {
    const [root] = await this.#hashes([{ from: 0, to: size }]);
    return root as Buffer;
  }

  /** That `pos` is in the tree of `size`; 1 <= pos <= size. */
  async inclusion(pos: number, size: number): Promise<Proof> {
    const index = pos - 1;
    const [root, leaf, ...hashes] = (await this.#hashes(
      [{ from: 0, to: size }, { from: index, to: pos }, ...inclusionRanges(index, size)],
      index,
    )) as [Buffer, Buffer, ...Buffer[]];
    if (!provesInclusion(leaf, index, size, hashes, root)) {
      throw new Altered({ kind: 'tile_differs', pos, detail: { size } });
    }
    return { hashes, root };
  }

  /** That the tree of `before` is the beginning of the tree of `size`; 1 <= before <= size. */
  async consistency(before: number, size: number): Promise<Proof> {
    const [old, root, ...hashes] = (await this.#hashes([
      { from: 0, to: before },
      { from: 0, to: size },
      ...consistencyRanges(before, size),
    ])) as [Buffer, Buffer, ...Buffer[]];
    if (!provesConsistency({ size: before, root: old }, { size, root }, hashes)) {
      throw new Altered({ kind: 'tile_differs', pos: before, detail: { size } });
    }
    return { hashes, root };
  }

  /** `leaf`: one that the log and its tiles must agree on. */
  async #hashes(ranges: readonly Range[], leaf?: number): Promise<Buffer[]> {
    const reads = readsOf(ranges, this.sealed);
    const leaves = [...reads.leaves, ...(leaf === undefined ? [] : [{ level: 0, first: leaf, count: 1 }])];
    const known = new TileHashes(this.sealed);
    for (const { kind, level, index, hash } of await readHashes(this.tx, this.orgId, { ...reads, leaves })) {
      const node = kind === 'node' ? reads.nodes[index] : undefined;
      if (node) known.putNode(node.subtree, hash);
      else known.putEntry(level, index, hash);
    }
    try {
      const hashes = ranges.map((range) => known.hashOf(range));
      if (leaf === undefined || known.agreesOn(leaf)) return hashes;
      throw new Altered({ kind: 'tile_differs', pos: leaf + 1, detail: { level: 0, index: leaf } });
    } catch (error) {
      if (!(error instanceof MissingEntry)) throw error;
      const { level, index } = error;
      const beyond = level === 0 && index >= this.sealed * WIDTH;
      const pos = index * WIDTH ** level + 1;
      throw new Altered({
        kind: beyond ? 'position_missing' : 'tile_differs',
        pos,
        detail: { level, index },
      });
    }
  }
}
