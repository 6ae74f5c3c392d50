import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leafHash, leavesOf, rootByInclusion, rootOf, rootsByConsistency } from '../../../test/kit/merkle.ts';
import {
  consistencyRanges,
  inclusionRanges,
  joined,
  nodeHash,
  provesConsistency,
  provesInclusion,
  type Range,
  subtreesOf,
} from './merkle.ts';

/** Every complete subtree of these leaves, by height and index. */
class Subtrees {
  readonly #rows: Buffer[][];

  constructor(readonly leaves: readonly Buffer[]) {
    this.#rows = [[...leaves]];
    for (let row = this.#rows[0]!; row.length > 1; this.#rows.push(row)) {
      const below = row;
      row = Array.from({ length: Math.floor(below.length / 2) }, (_, i) =>
        nodeHash(below[2 * i]!, below[2 * i + 1]!),
      );
    }
  }

  hashOf(range: Range): Buffer {
    return joined(subtreesOf(range).map(({ height, index }) => this.#rows[height]![index]!));
  }

  root = (size: number): Buffer => this.hashOf({ from: 0, to: size });
  inclusion = (index: number, size: number): Buffer[] =>
    inclusionRanges(index, size).map((range) => this.hashOf(range));
  consistency = (before: number, size: number): Buffer[] =>
    consistencyRanges(before, size).map((range) => this.hashOf(range));
}

const SMALL = 300;
const small = new Subtrees(leavesOf(SMALL));
const large = new Subtrees(leavesOf(20_000));

function included(tree: Subtrees, index: number, size: number): boolean {
  const [leaf, proof, root] = [tree.leaves[index]!, tree.inclusion(index, size), tree.root(size)];
  const agreed = rootByInclusion(leaf, index, size, proof)?.equals(root) === true;
  return agreed && provesInclusion(leaf, index, size, proof, root);
}

function consistent(tree: Subtrees, before: number, size: number): boolean {
  const [old, young, proof] = [tree.root(before), tree.root(size), tree.consistency(before, size)];
  const roots = rootsByConsistency(before, size, proof, old);
  const agreed = roots?.old.equals(old) === true && roots.young.equals(young);
  return agreed && provesConsistency({ size: before, root: old }, { size, root: young }, proof);
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
    const tree = new Subtrees(data.map((hex) => leafHash(Buffer.from(hex, 'hex'))));
    expect(roots.map((_, size) => tree.root(size).toString('hex'))).toEqual(roots);
  });

  it('has at every size the root that the definition gives', () => {
    for (let size = 0; size <= SMALL; size += 1) {
      expect(small.root(size).equals(rootOf(small.leaves.slice(0, size))), `size ${size}`).toBe(true);
    }
  });
});

describe('an inclusion proof', () => {
  it('proves each leaf in each tree of up to 300 leaves', () => {
    const failed: string[] = [];
    for (let size = 1; size <= SMALL; size += 1) {
      for (let index = 0; index < size; index += 1) {
        if (!included(small, index, size)) failed.push(`${index} in ${size}`);
      }
    }
    expect(failed).toEqual([]);
  });

  it('proves leaves of trees of up to 20,000 leaves', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.nat(), (size, n) =>
        included(large, n % size, size),
      ),
      { numRuns: 500 },
    );
  });

  it('proves nothing where anything of it is another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: SMALL }), fc.nat(), fc.nat(), (size, n, m) => {
        const index = n % size;
        const [leaf, proof, root] = [small.leaves[index]!, small.inclusion(index, size), small.root(size)];
        const flipped = flip(proof[m % proof.length]!, m);
        const wrong = [
          provesInclusion(flip(leaf, m), index, size, proof, root),
          provesInclusion(leaf, index, size, proof, flip(root, m)),
          provesInclusion(leaf, index, size, proof.with(m % proof.length, flipped), root),
          provesInclusion(leaf, index, size, proof.toSpliced(m % proof.length, 1), root),
          provesInclusion(leaf, index, size, [...proof, root], root),
          provesInclusion(leaf, (index + 1) % size, size, proof, root),
          provesInclusion(leaf, size, size, proof, root),
        ];
        expect(wrong).toEqual(wrong.map(() => false));
      }),
    );
  });
});

describe('a consistency proof', () => {
  it('proves each pair of trees of up to 300 leaves', () => {
    const failed: string[] = [];
    for (let size = 1; size <= SMALL; size += 1) {
      for (let before = 1; before <= size; before += 1) {
        if (!consistent(small, before, size)) failed.push(`${before} to ${size}`);
      }
    }
    expect(failed).toEqual([]);
  });

  it('proves pairs of trees of up to 20,000 leaves', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.nat(), (size, n) =>
        consistent(large, (n % size) + 1, size),
      ),
      { numRuns: 500 },
    );
  });

  it('proves nothing where anything of it is another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: SMALL }), fc.nat(), fc.nat(), (size, n, m) => {
        const before = (n % (size - 1)) + 1;
        const [old, young] = [small.root(before), small.root(size)];
        const proof = small.consistency(before, size);
        const at = m % proof.length;
        const proves = (a: Buffer, b: Buffer, path: Buffer[]): boolean =>
          provesConsistency({ size: before, root: a }, { size, root: b }, path);
        const wrong = [
          proves(flip(old, m), young, proof),
          proves(old, flip(young, m), proof),
          proves(old, young, proof.with(at, flip(proof[at]!, m))),
          proves(old, young, proof.toSpliced(at, 1)),
          proves(old, young, [...proof, old]),
          proves(young, old, proof),
        ];
        expect(wrong).toEqual(wrong.map(() => false));
      }),
    );
  });

  it('proves two trees of one size only where they are one', () => {
    const [a, b] = [small.root(7), small.root(8)];
    expect(provesConsistency({ size: 7, root: a }, { size: 7, root: a }, [])).toBe(true);
    expect(provesConsistency({ size: 7, root: a }, { size: 7, root: b }, [])).toBe(false);
    expect(provesConsistency({ size: 7, root: a }, { size: 7, root: a }, [b])).toBe(false);
    expect(provesConsistency({ size: 8, root: b }, { size: 7, root: a }, [])).toBe(false);
    expect(provesConsistency({ size: 0, root: a }, { size: 7, root: a }, [])).toBe(false);
  });
});

function flip(hash: Buffer, n: number): Buffer {
  const other = Buffer.from(hash);
  other[n % hash.length]! ^= 1 << (n % 8);
  return other;
}
