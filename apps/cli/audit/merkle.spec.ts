import { describe, expect, it } from 'vitest';
import { leavesOf, rootOf } from '../../../test/kit/merkle.ts';
import { provesConsistency } from './merkle.ts';

const leaves = leavesOf(20);
const headOf = (size: number) => ({ size, root: rootOf(leaves.slice(0, size)).toString('hex') });

/** SUBPROOF(m, D[n], b) of RFC 6962 section 2.1.2, word for word. */
function subproof(m: number, part: Buffer[], known: boolean): string[] {
  const n = part.length;
  if (m === n) return known ? [] : [rootOf(part).toString('hex')];
  const k = 2 ** Math.floor(Math.log2(n - 1));
  const [left, right] = [part.slice(0, k), part.slice(k)];
  return m <= k
    ? [...subproof(m, left, known), rootOf(right).toString('hex')]
    : [...subproof(m - k, right, false), rootOf(left).toString('hex')];
}

describe('a proof of consistency', () => {
  it('shows that the later tree begins with the earlier, at every pair of sizes, and nothing else', () => {
    for (let later = 1; later <= leaves.length; later += 1) {
      for (let earlier = 1; earlier <= later; earlier += 1) {
        const proof = subproof(earlier, leaves.slice(0, later), true);
        const [from, to] = [headOf(earlier), headOf(later)];
        const wrong = 'f'.repeat(64);
        const at = `${earlier} to ${later}`;
        expect(provesConsistency(from, to, proof), at).toBe(true);
        expect(provesConsistency({ ...from, root: wrong }, to, proof), at).toBe(false);
        expect(provesConsistency(from, { ...to, root: wrong }, proof), at).toBe(false);
        expect(provesConsistency(from, to, [...proof, wrong]), at).toBe(false);
        for (let n = 0; n < proof.length; n += 1) {
          expect(provesConsistency(from, to, proof.with(n, wrong)), at).toBe(false);
          expect(provesConsistency(from, to, proof.toSpliced(n, 1)), at).toBe(false);
        }
      }
    }
  });
});
