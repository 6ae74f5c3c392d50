import { hash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCommonPasswords } from '../../../test/kit/common-passwords.ts';
import { commonPasswords } from './common-passwords.ts';
import { buildFilter, folded, PasswordFilter } from './password-filter.ts';

const shipped = await commonPasswords();

/** The list itself; undefined, and said, where the registry does not answer and no copy was kept. */
const list = ((): string[] | undefined => {
  try {
    return readCommonPasswords();
  } catch (error) {
    console.warn(
      `the list of common passwords cannot be had here, so not all of it is looked up: ${String(error)}`,
    );
    return undefined;
  }
})();

describe('a filter', () => {
  it('knows every member and nothing else, of a few hundred', () => {
    const members = fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 30 }), { maxLength: 300 });
    fc.assert(
      fc.property(members, members, (inside, outside) => {
        const filter = new PasswordFilter(buildFilter(inside));
        const known = new Set(inside.map(folded));
        expect(filter.size).toBe(known.size);
        for (const member of inside) {
          expect(filter.has(member)).toBe(true);
        }
        for (const other of outside) expect(filter.has(other)).toBe(known.has(folded(other)));
      }),
    );
  });

  it('knows a member in whatever case and width it is written', () => {
    const filter = new PasswordFilter(buildFilter(['Grüße aus Köln']));
    for (const other of ['GRÜSSE AUS KÖLN', 'grusse aus koln']) expect(filter.has(other)).toBe(false);
    for (const same of ['grüße aus köln', 'GRÜßE AUS KÖLN', 'Ｇrüße aus Ko\u0308ln'])
      expect(filter.has(same)).toBe(true);
  });

  it('that is cut short is not taken for a shorter one', () => {
    const bytes = buildFilter(['one', 'two', 'three']);
    expect(() => new PasswordFilter(bytes.subarray(0, -1))).toThrow('not whole');
    expect(() => new PasswordFilter(Buffer.alloc(0))).toThrow('not whole');
  });
});

describe('the shipped list', () => {
  it('is the one its notice names', async () => {
    const { data } = await import('./common-passwords.data.ts');
    const bytes = Buffer.from(data, 'base64');
    expect(hash('sha256', bytes)).toBe('c99750df7650d9e04afb00513c5c397cea4415f0fb5d5cb36e5200edd1655e4b');
    expect(shipped.size).toBeGreaterThan(474_700);
  });

  it.each([
    'password',
    'Password1',
    '12345678',
    'iloveyou',
    'QWERTYUIOP',
    'letmein123',
    'trustno1',
    'football1',
  ])('holds %s', (password) => expect(shipped.has(password)).toBe(true));

  it.skipIf(!list)('misses no password of its source, and is what its source makes', () => {
    expect(list).toHaveLength(474_743);
    expect(list!.filter((password) => !shipped.has(password))).toEqual([]);
    expect(list!.filter((password) => !shipped.has(password.toUpperCase()))).toEqual([]);
    expect(hash('sha256', buildFilter(list!))).toBe(
      'c99750df7650d9e04afb00513c5c397cea4415f0fb5d5cb36e5200edd1655e4b',
    );
  });

  it('takes fewer than one in a million others for its own, at microseconds a look-up', () => {
    const tries = 2_000_000;
    const random = randomBytes(16 * 1024).toString('base64url');
    const before = performance.now();
    let taken = 0;
    for (let n = 0; n < tries; n += 1)
      if (shipped.has(`${n}-${random.slice(n % 16_000, (n % 16_000) + 16)}`)) taken += 1;
    const micros = ((performance.now() - before) * 1_000) / tries;
    console.info(
      `common passwords: ${shipped.size} fingerprints, ${taken} of ${tries} strangers taken for one ` +
        `(expected ${((tries * shipped.size) / 2 ** 39).toFixed(1)}), ${micros.toFixed(2)} µs a look-up`,
    );
    // The expectation is 1.7; a right filter shows ten or more once in fifty thousand runs.
    expect(shipped.size / 2 ** 39).toBeLessThan(1e-6);
    expect(taken).toBeLessThan(10);
  });
});
