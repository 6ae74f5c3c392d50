import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseReference, printReference, readReference } from './reference.ts';

const HEAD = [...'ABCXYZabcxyz0189_-'];
const segment = fc
  .tuple(
    fc.constantFrom(...HEAD),
    fc.array(fc.constantFrom(...HEAD, '.'), { maxLength: 20 }).map((letters) => letters.join('')),
  )
  .map(([head, rest]) => head + rest.replace(/\.{2,}/g, '.'));
const reference = fc
  .record({
    path: fc.array(segment, { minLength: 1, maxLength: 10 }).map((segments) => segments.join('/')),
    field: segment,
    version: fc.option(fc.integer({ min: 1, max: 999_999_999 }), { nil: undefined }),
  })
  .map(({ path, field, version }) => (version === undefined ? { path, field } : { path, field, version }));

/** What turns up in paths of those who want another one. */
const HOSTILE = [
  '..', './', '/../', '%2e%2e', '%2F', '%00', '\0', '\n', '\r', ' ', '\\', '?', '#', '@', '//', ':', '~', '*',
  '{', '$', '\u2024\u2024', '\uff0e', '\u200b', '\ud800', ';', '+', 'é',
]; // prettier-ignore

describe('a reference', () => {
  it('that parses prints back the same', () => {
    fc.assert(
      fc.property(reference, (one) => {
        expect(readReference(printReference(one))).toEqual(one);
      }),
    );
  });

  it('is printed as it was written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (tail) => {
        const text = `secret://${tail}`;
        const read = readReference(text);
        if (read) expect(printReference(read)).toBe(text);
      }),
    );
  });

  it('with anything hostile anywhere never parses', () => {
    fc.assert(
      fc.property(reference, fc.constantFrom(...HOSTILE), fc.nat(), (one, hostile, at) => {
        const text = printReference({ path: one.path, field: one.field });
        const end = text.length - 'secret://'.length + 1;
        const place = 'secret://'.length + (at % end);
        const broken = text.slice(0, place) + hostile + text.slice(place);
        const read = readReference(broken);
        // A slash, a dot or an @ in a good place makes another good reference; it must be what it says, no more.
        if (read) {
          expect(printReference(read)).toBe(broken);
          expect(broken).toMatch(/^secret:\/\/[\w.-]+(\/[\w.-]+)*#[\w.-]+(@[1-9]\d*)?$/);
          expect(broken).not.toContain('..');
          expect(broken).not.toMatch(/\/\./);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    'secret://../other#key',
    'secret://a/../b#key',
    'secret://a/./b#key',
    'secret://a//b#key',
    'secret:///a#key',
    'secret://a/#key',
    'secret://a/%2e%2e/b#key',
    'secret://a..b#key',
    'secret://a',
    'secret://a#',
    'secret://#key',
    'secret://a#key@0',
    'secret://a#key@01',
    'secret://a#key@-1',
    'secret://a#key@1e3',
    'secret://a#key@',
    'secret://a#key@1@2',
    'secret://a#k#l',
    'secret://a#key\n',
    'Secret://a#key',
    'secret://user@host/a#key',
    ' secret://a#key',
    `secret://${'a'.repeat(65)}#key`,
    `secret://${'a/'.repeat(16)}a#key`,
    `secret://${`${'a'.repeat(60)}/`.repeat(5)}a#key`,
    'hunter2',
    '',
  ])('is not %j, and the refusal does not repeat it', (text) => {
    expect(readReference(text)).toBeUndefined();
    let refusal: unknown;
    try {
      parseReference(text);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({ code: 'secrets.bad_reference' });
    if (text.length > 3) expect(JSON.stringify(refusal)).not.toContain(text);
  });
});
