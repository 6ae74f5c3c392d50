import { hash } from 'node:crypto';

/** The Merkle tree of RFC 6962 section 2.1. Hashes are hex. */

const pair = Buffer.alloc(65);
pair[0] = 1;

function node(left: string, right: string): string {
  pair.write(left, 1, 32, 'hex');
  pair.write(right, 33, 32, 'hex');
  return hash('sha256', pair, 'hex');
}

/** Grown leaf by leaf; holds one hash per level. */
export class MerkleTree {
  /** Roots of the full subtrees from the left, largest first, each with its number of leaves. */
  readonly #peaks: { size: number; hash: string }[] = [];
  #size = 0;

  /**
   * A tree of `size` leaves of which only the last is known, with the proof that it is in the tree of this size. What
   * the proof says is not trusted here: a root that is reached from it, and is signed, shows that it was right.
   */
  static continued(size: number, lastLeaf: string, proof: readonly string[]): MerkleTree {
    const tree = new MerkleTree();
    if (size === 0 && proof.length === 0) return tree;
    // The last leaf has a left sibling on each level that is a one in the binary digits of its index.
    const siblings = [...proof];
    let peak = { size: 1, hash: lastLeaf };
    while ((size / peak.size) % 2 === 0) {
      peak = { size: peak.size * 2, hash: node(siblings.shift() ?? '', peak.hash) };
    }
    tree.#peaks.push(peak);
    for (let unit = peak.size * 2; unit <= size; unit *= 2) {
      if (Math.floor(size / unit) % 2 === 1)
        tree.#peaks.unshift({ size: unit, hash: siblings.shift() ?? '' });
    }
    if (siblings.length > 0 || tree.#peaks.some((one) => !/^[0-9a-f]{64}$/.test(one.hash))) {
      throw new Error(`is not a proof of inclusion of position ${size} in the tree of size ${size}`);
    }
    tree.#size = size;
    return tree;
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size;
  }

  append(leafHash: string): void {
    this.#size += 1;
    let [size, root] = [1, leafHash];
    const peaks = this.#peaks;
    for (let left = peaks.at(-1); left?.size === size; left = peaks.at(-1)) {
      peaks.pop();
      root = node(left.hash, root);
      size *= 2;
    }
    peaks.push({ size, hash: root });
  }

  root(): string {
    const hashes = this.#peaks.map((peak) => peak.hash);
    const last = hashes.pop();
    if (last === undefined) return hash('sha256', '');
    return hashes.reduceRight((right, left) => node(left, right), last);
  }
}

interface Head {
  readonly size: number;
  readonly root: string;
}

/** Whether the proof shows that the later tree begins with the earlier one: RFC 9162 section 2.1.4.2. */
export function provesConsistency(earlier: Head, later: Head, proof: readonly string[]): boolean {
  if (!proof.every((one) => /^[0-9a-f]{64}$/.test(one))) return false;
  if (earlier.size === 0) return proof.length === 0;
  if (earlier.size >= later.size) {
    return proof.length === 0 && earlier.size === later.size && earlier.root === later.root;
  }
  const isPowerOfTwo = Number.isInteger(Math.log2(earlier.size));
  const [seed, ...rest] = isPowerOfTwo ? [earlier.root, ...proof] : proof;
  if (seed === undefined) return false;
  let [at, last] = [earlier.size - 1, later.size - 1];
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  let [old, young] = [seed, seed];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      [old, young] = [node(sibling, old), node(sibling, young)];
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      young = node(young, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && old === earlier.root && young === later.root;
}

const half = (n: number): number => Math.floor(n / 2);
