import { Injectable } from '@nestjs/common';
import type { OrgTx } from '#database';
import { readLeafHashes } from './audit.store.ts';
import { Frontier } from './merkle.ts';

const BATCH = 20_000;
/** Trees kept in memory; one costs about a kilobyte. */
const TREES = 1_000;

/** The Merkle tree of each organization's log, extended as the log grows. Positions never change, so neither does
 * what was hashed. */
@Injectable()
export class OrgTrees {
  readonly #trees = new Map<string, Frontier>();

  /** Size and root (hex) of the tree over the positions 1 to `head` at least. */
  async at(tx: OrgTx, head: number): Promise<{ size: number; root: string }> {
    const tree = this.#trees.get(tx.orgId) ?? new Frontier();
    this.#trees.delete(tx.orgId);
    this.#trees.set(tx.orgId, tree);
    const oldest = this.#trees.size > TREES ? this.#trees.keys().next().value : undefined;
    if (oldest !== undefined) this.#trees.delete(oldest);
    while (tree.size < head) {
      const from = tree.size;
      const hashes = await readLeafHashes(tx, from, head, BATCH);
      // Another request may have extended the same tree meanwhile.
      if (tree.size === from) for (const hash of hashes) tree.append(hash);
    }
    return { size: tree.size, root: tree.root().toString('hex') };
  }
}
