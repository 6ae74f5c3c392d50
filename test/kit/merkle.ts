import { createHash } from 'node:crypto';

/**
 * RFC 6962 section 2.1 word for word, for comparison: recursive where the product is iterative, and no code of its.
 */
const hashOf = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const pair = (left: Buffer, right: Buffer): Buffer => hashOf(Buffer.from([1]), left, right);

export const leafHash = (data: string | Buffer): Buffer => hashOf(Buffer.from([0]), Buffer.from(data));

export function leavesOf(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => leafHash(`leaf ${index}`));
}

/** The largest power of two smaller than `n`. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** MTH(D[n]). */
export function rootOf(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (!only) return hashOf();
  if (leaves.length === 1) return only;
  const k = split(leaves.length);
  return pair(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

/** The root that an inclusion proof leads to; undefined where it has not the length that it must have. */
export function rootByInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  proof: readonly Buffer[],
): Buffer | undefined {
  if (size === 1) return proof.length === 0 ? leaf : undefined;
  const sibling = proof.at(-1);
  if (!sibling) return undefined;
  const k = split(size);
  const rest = proof.slice(0, -1);
  const inner =
    index < k ? rootByInclusion(leaf, index, k, rest) : rootByInclusion(leaf, index - k, size - k, rest);
  if (!inner) return undefined;
  return index < k ? pair(inner, sibling) : pair(sibling, inner);
}

/** Both roots that a consistency proof leads to, read the other way round from SUBPROOF(m, D[n], b). */
export function rootsByConsistency(
  before: number,
  size: number,
  proof: readonly Buffer[],
  oldRoot: Buffer,
): { old: Buffer; young: Buffer } | undefined {
  const read = (
    m: number,
    n: number,
    known: boolean,
    path: readonly Buffer[],
  ): { old: Buffer; young: Buffer } | undefined => {
    if (m === n) {
      const only = known ? oldRoot : path[0];
      return only && path.length === (known ? 0 : 1) ? { old: only, young: only } : undefined;
    }
    const sibling = path.at(-1);
    if (!sibling) return undefined;
    const k = split(n);
    const rest = path.slice(0, -1);
    if (m <= k) {
      const left = read(m, k, known, rest);
      return left && { old: left.old, young: pair(left.young, sibling) };
    }
    const right = read(m - k, n - k, false, rest);
    return right && { old: pair(sibling, right.old), young: pair(sibling, right.young) };
  };
  return read(before, size, true, proof);
}
