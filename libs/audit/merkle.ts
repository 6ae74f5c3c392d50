import { sha256 } from '#kernel';

/**
 * The Merkle tree over leaf hashes, RFC 6962 section 2.1: a node is SHA-256(0x01 || left || right), and the left
 * part of n leaves is the largest power of two below n.
 */

const NODE = Buffer.from([1]);

export function nodeHash(left: Buffer, right: Buffer): Buffer {
  return sha256(Buffer.concat([NODE, left, right]));
}

/** The roots of the complete subtrees of a growing tree, largest first: all that the root of the whole needs. */
export class Frontier {
  #size = 0;
  #peaks: Buffer[] = [];

  get size(): number {
    return this.#size;
  }

  /** Adds the hash of the next leaf; amortized one node hash. */
  append(leafHash: Buffer): void {
    let hash = leafHash;
    for (let bits = this.#size; bits % 2 === 1; bits = Math.floor(bits / 2)) {
      const left = this.#peaks.pop();
      if (left) hash = nodeHash(left, hash);
    }
    this.#peaks.push(hash);
    this.#size += 1;
  }

  /** The root of the tree as it stands; the hash of nothing when it is empty. */
  root(): Buffer {
    const [last, ...rest] = this.#peaks.toReversed();
    if (!last) return sha256('');
    return rest.reduce((right, left) => nodeHash(left, right), last);
  }
}
