import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '#kernel';
import { Frontier, nodeHash } from './merkle.ts';

const leafHash = (data: Buffer): Buffer => sha256(Buffer.concat([Buffer.from([0]), data]));

/** RFC 6962 section 2.1, word for word: MTH(D[n]) with k the largest power of two smaller than n. */
function naiveRoot(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (!only) return sha256('');
  if (leaves.length === 1) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

function rootOf(leaves: readonly Buffer[]): string {
  const tree = new Frontier();
  for (const leaf of leaves) tree.append(leaf);
  expect(tree.size).toBe(leaves.length);
  return tree.root().toString('hex');
}

describe('the Merkle tree', () => {
  it('has the roots of the reference implementation of Certificate Transparency', () => {
    const data = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ];
    const roots = [
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ];
    const leaves = data.map((hex) => leafHash(Buffer.from(hex, 'hex')));
    expect(roots.map((_, size) => rootOf(leaves.slice(0, size)))).toEqual(roots);
  });

  it('has at every size the root that the definition gives', () => {
    const leaves = Array.from({ length: 300 }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)));
    const tree = new Frontier();
    for (let size = 0; size <= leaves.length; size += 1) {
      expect(tree.root().toString('hex'), `size ${size}`).toBe(
        naiveRoot(leaves.slice(0, size)).toString('hex'),
      );
      if (size < leaves.length) tree.append(leaves[size]!);
    }
  });

  it('has another root when any leaf is another, is missing, or stands elsewhere', () => {
    const texts = fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(texts, fc.nat(), fc.nat(), (all, a, b) => {
        const leaves = all.map((text) => leafHash(Buffer.from(text)));
        const at = a % leaves.length;
        const other = b % leaves.length;
        const root = rootOf(leaves);
        expect(rootOf(leaves.with(at, leafHash(Buffer.from('\u0000 not among them'))))).not.toBe(root);
        expect(rootOf(leaves.toSpliced(at, 1))).not.toBe(root);
        const swapped = leaves.with(at, leaves[other]!).with(other, leaves[at]!);
        expect(rootOf(swapped) === root).toBe(at === other);
      }),
    );
  });

  it('does not change what it was when it is asked in between', () => {
    const leaves = Array.from({ length: 50 }, (_, index) => leafHash(Buffer.from([index])));
    const asked = new Frontier();
    for (const leaf of leaves) {
      asked.append(leaf);
      asked.root();
    }
    expect(asked.root().toString('hex')).toBe(rootOf(leaves));
  });
});
