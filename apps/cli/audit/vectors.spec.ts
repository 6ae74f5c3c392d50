import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical-json.ts';
import { MerkleTree } from './merkle.ts';
import { verifyExport } from './verify-export.ts';

/** What the verifier computes, held against what others computed. */

// Python: sha256(b"\0" + json.dumps(core, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
const leaf = 'd470213f98b9012fa78515c1fde003e484069e89e7da804a3a6d3959f514ebe8';
const line =
  '{"v":1,"id":"i-1","org":"o-1","time":"2026-11-22T03:00:00.000Z","actor":{"type":"user","id":"ü"},' +
  '"action":"auth.login","target":{"type":"session","id":"s"},"outcome":"success","request":{"id":"r",' +
  '"method":"POST","route":"/api/v1/auth/login"},"commitments":{"request.ip":' +
  '"6004f9603e50519ce3617dccec6a9bb107434f88e52d25225d95755e1a2b21b3"},"pos":1,"leafHash":"' +
  `${leaf}","prevHash":"${'0'.repeat(64)}","personal":{"request.ip":{"salt":"AAECAwQFBgcICQoLDA0ODw",` +
  '"value":"192.0.2.1"}}}';

describe('the verifier of an audit export', () => {
  it('agrees with hashes that were computed by other software', async () => {
    const verdict = await verifyExport([line], new Map([['o-1', { treeSize: 1, root: leaf }]]));
    expect(verdict.problems).toEqual([]);
  });
});

describe('the Merkle tree', () => {
  it('has the roots of the reference implementation of Certificate Transparency (RFC 6962)', () => {
    const leaves = [
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
    const tree = new MerkleTree();
    const found = [tree.root()];
    for (const text of leaves) {
      tree.append(
        createHash('sha256')
          .update(Buffer.from(`00${text}`, 'hex'))
          .digest('hex'),
      );
      found.push(tree.root());
    }
    expect(found).toEqual(roots);
  });
});

describe('canonical JSON', () => {
  it('is that of the examples in RFC 8785', () => {
    const sample = String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
      "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`;
    expect(canonicalJson(JSON.parse(sample))).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],` +
        String.raw`"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
    const sorted = JSON.parse(
      canonicalJson(keys.map((key) => ({ [key]: 1 })).reduce((a, b) => ({ ...a, ...b }))),
    ) as object;
    expect(Object.keys(sorted)).toEqual(['1', '\r', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33']);
    expect(canonicalJson({ '\ufb33': 1, '\ud83d\ude00': 2, b: -0, a: 1e21 })).toBe(
      '{"a":1e+21,"b":0,"\ud83d\ude00":2,"\ufb33":1}',
    );
  });

  it('refuses what JSON cannot say', () => {
    for (const value of [NaN, Infinity, undefined, '\ud83d', { a: ['\udc00'] }, 1n]) {
      expect(() => canonicalJson(value)).toThrow('holds');
    }
  });
});
