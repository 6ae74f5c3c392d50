import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPersonal, readEvent } from './event.ts';
import { SoundLine } from './sound-line.ts';

const SALT = 'AAECAwQFBgcICQoLDA0ODw';
const commitment = (value: string): string =>
  hash('sha256', Buffer.concat([Buffer.from(SALT, 'base64url'), Buffer.from(value)]));

/** A line over these bytes, whatever they are: its hash always fits. */
function lineOver(leaf: string, personal: string, pos = '7'): string {
  const leafHash = hash('sha256', Buffer.from(`\0${leaf}`));
  const place = `"pos":${pos},"leafHash":"${leafHash}","prevHash":"${'0'.repeat(64)}"`;
  return `${leaf.slice(0, -1)},${place},"personal":${personal}}`;
}

const LEAF =
  `{"action":"a","changes":{"a":[1,-2,{},[],true,false,null],"b":{"from":"\\"\\\\\\n","to":"Zoë"}},` +
  `"commitments":{"actor.display":"${commitment('Zoë "Z"')}","request.ip":"${commitment('192.0.2.1')}"},` +
  `"id":"i","org":"o-1","outcome":"success","v":1}`;
const PERSONAL = `{"request.ip":{"salt":"${SALT}","value":"192.0.2.1"},"actor.display":{"salt":"${SALT}","value":"Zoë \\"Z\\""}}`;

const reader = new SoundLine();
function reads(line: string): boolean {
  const bytes = Buffer.from(`\n${line}`);
  const copy = Buffer.from(bytes);
  const sound = reader.read(bytes, 1, bytes.length);
  expect(bytes.equals(copy)).toBe(true);
  return sound;
}

describe('the fast reader of a line', () => {
  it('takes what the export writes', () => {
    expect(reads(lineOver(LEAF, PERSONAL))).toBe(true);
    expect(reader).toMatchObject({ pos: 7, org: 'o-1', erased: 0, prevHash: '0'.repeat(64) });
    expect(reads(lineOver(LEAF, PERSONAL.replace(/\{"salt"[^}]*"192.0.2.1"\}/, '"erased"')))).toBe(true);
    expect(reader.erased).toBe(1);
  });

  it.each([
    ['a key twice', LEAF.replace('"outcome"', '"outcome":"denied","outcome"')],
    ['a key twice, deeper', LEAF.replace('"from"', '"from":1,"from"')],
    ['keys out of order', LEAF.replace('"id":"i","org":"o-1"', '"org":"o-1","id":"i"')],
    ['keys out of order, deeper', LEAF.replace('"b":{"from"', '"b":{"z":1,"from"')],
    ['a blank', LEAF.replace('"v":1', '"v": 1')],
    ['an escape that need not be', LEAF.replace('Zoë', 'Zo\\u00eb')],
    ['a number in another way', LEAF.replace('[1,', '[1.0,')],
    ['a leading zero', LEAF.replace('[1,', '[01,')],
    ['minus nothing', LEAF.replace('[1,', '[-0,')],
    ['a raw control character', LEAF.replace('Zoë', 'Zo\u0001')],
    ['a comma too many', LEAF.replace('null]', 'null,]')],
    ['no organization', LEAF.replace('"org":"o-1",', '')],
    ['another version', LEAF.replace('"v":1', '"v":2')],
    ['no version', LEAF.replace(',"v":1', '')],
    ['a position in the leaf', LEAF.replace('"v":1', '"pos":9,"v":1')],
    [
      'a position in its order in the leaf',
      LEAF.replace('"v":1', '').replace('"success",', '"success","pos":9,"v":1'),
    ],
  ])('leaves %s to the careful one, though the hash fits', (_what, leaf) => {
    expect(leaf).not.toBe(LEAF);
    expect(reads(lineOver(leaf, PERSONAL))).toBe(false);
  });

  it.each([
    ['another value', PERSONAL.replace('192.0.2.1', '192.0.2.2')],
    ['another salt', PERSONAL.replace(SALT, SALT.replace('AAE', 'AAF'))],
    ['bits in the salt that mean nothing', PERSONAL.replace(SALT, SALT.replace(/w$/, 'x'))],
    ['a value twice', PERSONAL.replace('"actor.display"', '"request.ip"')],
    ['one of two values twice', `{${'"request.ip":"erased",'.repeat(2).slice(0, -1)}}`],
    ['a value without commitment', PERSONAL.replace('{"request', '{"x":"erased","request')],
    ['a commitment without value', PERSONAL.replace(/"request.ip":\{[^}]*\},/, '')],
    ['more than salt and value', PERSONAL.replace('192.0.2.1"', '192.0.2.1","x":1')],
  ])('does not take %s', (_what, personal) => {
    expect(personal).not.toBe(PERSONAL);
    expect(reads(lineOver(LEAF, personal))).toBe(false);
  });

  it('does not take another hash, nor a line that goes on', () => {
    const line = lineOver(LEAF, PERSONAL);
    expect(reads(line.replace('success', 'denied!'))).toBe(false);
    expect(reads(`${line} `)).toBe(false);
    expect(reads(line.slice(0, -1))).toBe(false);
    expect(reads(lineOver(LEAF, PERSONAL, '07'))).toBe(false);
    expect(reads(lineOver(LEAF, PERSONAL, '0'))).toBe(false);
  });

  it('never takes what the careful one does not, whatever was done to a line and its hash made to fit', () => {
    const edit = fc.record({
      of: fc.constantFrom('leaf' as const, 'personal' as const),
      at: fc.nat(),
      cut: fc.nat(3),
      with: fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 3 }),
        fc.constantFrom('"', '\\', ',', ':', '{}', '[]', ' ', '0', '1e3', '"v":1,', 'null', '\\u0041', '""'),
      ),
    });
    let taken = 0;
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const text = { leaf: LEAF, personal: PERSONAL };
        for (const one of edits) {
          const before = text[one.of];
          const at = one.at % before.length;
          text[one.of] = before.slice(0, at) + one.with + before.slice(at + one.cut);
        }
        const line = lineOver(text.leaf.toWellFormed(), text.personal.toWellFormed());
        if (!reads(line)) return;
        taken += 1;
        const event = readEvent(Buffer.from(line));
        expect(event.recomputed).toBe(event.leafHash);
        expect([event.pos, event.org, event.leafHash]).toEqual([reader.pos, reader.org, reader.leafHash]);
        expect(checkPersonal(event)).toEqual({ erased: reader.erased, wrong: [] });
      }),
      { numRuns: 20_000 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});
