import { sha256 } from '#kernel';

/**
 * The Merkle tree over leaf hashes (RFC 6962 section 2.1, RFC 9162 section 2.1): a node is
 * SHA-256(0x01 || left || right), and the left part of n leaves is the largest power of two below n. Everything here
 * is said in ranges of leaves, whose hashes somebody else knows where to find.
 */

/** The leaves `from` to `to - 1`, counted from 0; `from` is a multiple of the largest power of two in the length. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The complete subtree over the leaves `index * 2^height` to `(index + 1) * 2^height - 1`. */
export interface Subtree {
  readonly height: number;
  readonly index: number;
}

/** What is hashed for a node: written anew each time, for nothing waits in between. */
const node = Buffer.alloc(65, 1);

export function nodeHash(left: Buffer, right: Buffer): Buffer {
  left.copy(node, 1);
  right.copy(node, 33);
  return sha256(node);
}

/** The row of nodes above hashes that stand side by side, 32 bytes each, of which there is an even number. */
export function rowAbove(hashes: Buffer): Buffer<ArrayBuffer> {
  const above = Buffer.allocUnsafe(hashes.length / 2);
  for (let at = 0; at < hashes.length; at += 64) {
    hashes.copy(node, 1, at, at + 64);
    sha256(node).copy(above, at / 2);
  }
  return above;
}

/** The complete subtrees that a range consists of, left to right: one for each binary digit of its length. */
export function subtreesOf({ from, to }: Range): Subtree[] {
  const subtrees: Subtree[] = [];
  for (let at = from; at < to;) {
    let height = 0;
    while (2 ** (height + 1) <= to - at) height += 1;
    subtrees.push({ height, index: at / 2 ** height });
    at += 2 ** height;
  }
  return subtrees;
}

/** The hash of a range from the roots of its subtrees, left to right; the hash of nothing where there are none. */
export function joined(roots: readonly Buffer[]): Buffer {
  const last = roots.at(-1);
  if (!last) return sha256('');
  return roots.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last);
}

/** PATH(m, D[n]): the ranges whose hashes prove that leaf `index` is in the tree of `size` leaves. */
export function inclusionRanges(index: number, size: number): Range[] {
  const path = (from: number, to: number): Range[] => {
    if (to - from === 1) return [];
    const mid = from + leftOf(to - from);
    return index < mid ? [...path(from, mid), { from: mid, to }] : [...path(mid, to), { from, to: mid }];
  };
  return path(0, size);
}

/** PROOF(m, D[n]): the ranges whose hashes prove that the tree of `before` leaves begins the tree of `size`. */
export function consistencyRanges(before: number, size: number): Range[] {
  const proof = (from: number, to: number, known: boolean): Range[] => {
    if (before === to) return known ? [] : [{ from, to }];
    const mid = from + leftOf(to - from);
    return before <= mid
      ? [...proof(from, mid, known), { from: mid, to }]
      : [...proof(mid, to, false), { from, to: mid }];
  };
  return proof(0, size, true);
}

/** RFC 9162 section 2.1.3.2. */
export function provesInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  proof: readonly Buffer[],
  root: Buffer,
): boolean {
  if (index >= size) return false;
  let hash = leaf;
  let [at, last] = [index, size - 1];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && hash.equals(root);
}

/** RFC 9162 section 2.1.4.2; of sizes from 1. */
export function provesConsistency(
  before: { readonly size: number; readonly root: Buffer },
  after: { readonly size: number; readonly root: Buffer },
  proof: readonly Buffer[],
): boolean {
  if (before.size === after.size) return proof.length === 0 && before.root.equals(after.root);
  if (before.size < 1 || before.size > after.size) return false;
  // The old tree is itself a node of the new one where its size is a power of two; then the proof leaves it out.
  const path = Number.isInteger(Math.log2(before.size)) ? [before.root, ...proof] : [...proof];
  const [first, ...rest] = path;
  if (!first) return false;
  let [at, last] = [before.size - 1, after.size - 1];
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  let [old, young] = [first, first];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      old = nodeHash(sibling, old);
      young = nodeHash(sibling, young);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      young = nodeHash(young, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && old.equals(before.root) && young.equals(after.root);
}

/** The largest power of two below `n`, which is at least 2. */
function leftOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

const half = (n: number): number => Math.floor(n / 2);
