import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { computing } from '../../../test/kit/stopwatch.ts';
import { commonPasswords } from './common-passwords.ts';
import { type PasswordOwner, passwordFaults, type PasswordReason } from './password-rules.ts';

const common = await commonPasswords();
const ada: PasswordOwner = {
  email: 'ada.lovelace@engine.example',
  name: 'Ada Lovelace',
  organizations: [{ name: 'Analytical Engines, Ltd', slug: 'analytical-engines' }],
};
const faults = (password: string, minLength = 8, owner = ada): PasswordReason[] =>
  passwordFaults(password, { minLength, owner, isCommon: (text) => common.has(text) });

describe('a password', () => {
  it.each([
    'correct horse battery',
    'correct horse battery staple 1',
    'purple monkey dishwasher 22',
    'quiet river stone lantern 333',
    'a lasting new password',
    // No composition rules (ASVS 6.2.5): any one kind of character will do.
    'mdkwotzrblquex',
    '83650194725860',
    'пароль из пяти слов',
    '雨が降る静かな午後',
    '🦊🌊🎺🪵🧂🛶🔔🎲',
    // Like something, but mostly something else.
    'ada walks past nine quiet harbours',
    'engines of seven grey mornings',
    'my portcullis has twelve green dents',
    ' leading and trailing spaces  ',
  ])('may be %j', (password) => expect(faults(password)).toEqual([]));

  it.each<[string, PasswordReason]>([
    ['x7-kQ2p', 'too_short'],
    ['🦊🌊🎺🪵', 'too_short'],
    [`${'long and winding road '.repeat(6)}!`, 'too_long'],
    ['password', 'common'],
    ['PassWord1', 'common'],
    ['TRUSTNO1', 'common'],
    ['password12password12', 'common'],
    ['aaaaaaaaaaaaaaaaaaa', 'predictable'],
    ['xk7xk7xk7xk7xk', 'predictable'],
    ['ab12ab12ab12', 'predictable'],
    ['0123456789012345', 'predictable'],
    ['98765432109876', 'predictable'],
    ['hgfedcbaabcdefgh', 'predictable'],
    ['qwertyuiop[]asdf', 'predictable'],
    ['Yxcvbnm,asdfghjkl', 'predictable'],
    ['1qaz2wsx3edc4rfv', 'predictable'],
    ['!@#$%^&*()_+!@', 'predictable'],
    ['zzzzzzzzzz-9x', 'predictable'],
    ['ada.lovelace@engine.example', 'similar'],
    ['Ada-Lovelace-1815', 'similar'],
    ['@d4L0v3l4c3!', 'similar'],
    ['ecalevol2026', 'similar'],
    ['LoveIace__1852', 'similar'],
    ['Lovellace1234x', 'similar'],
    ['AnalyticalEngines2026!', 'similar'],
    ['engine.example', 'similar'],
    ['portcullis2026', 'similar'],
    ['P0rtcu11is!!', 'similar'],
    ['sillucrtrop99', 'similar'],
  ])('may not be %j: %s', (password, reason) => expect(faults(password)).toContain(reason));

  it('has as many characters as it has code points, counted as typed', () => {
    expect(faults('🦊🌊🎺🪵🧂🛶🔔')).toEqual(['too_short']);
    expect(faults('🦊🌊🎺🪵🧂🛶🔔🎲')).toEqual([]);
    const unlike = [...'kvzxwpqmtjr hbdn'];
    const long = Array.from(
      { length: 128 },
      (_, index) => unlike[(index * index * 7 + index) % unlike.length],
    );
    expect(faults(long.join(''))).not.toContain('too_long');
    expect(faults(`${long.join('')}x`)).toEqual(['too_long']);
    // Composed and decomposed forms are different texts of different length; spaces at the ends are characters.
    expect(faults('nü rök5')).toEqual(['too_short']);
    expect(faults('nü rök5'.normalize('NFD'))).toEqual([]);
    expect(faults(' nü rök5')).toEqual([]);
  });

  it('obeys the organization where that asks for more, and never less than eight nor more than can be', () => {
    expect(faults('kvzxwpqm', 15)).toEqual(['too_short']);
    expect(faults('kvzxwpqm tjrhbdn', 15)).toEqual([]);
    expect(faults('kvzxwpq', 1)).toEqual(['too_short']);
    expect(faults('kvzxwpqm'.repeat(16), 1_000)).not.toContain('too_short');
  });
});

describe('the rules', () => {
  const anything = fc.string({ unit: 'binary', maxLength: 200 });

  it('answer for every text, the same each time, and refuse by length exactly', () => {
    fc.assert(
      fc.property(anything, fc.integer({ min: 0, max: 200 }), (password, minLength) => {
        const found = faults(password, minLength);
        const length = [...password].length;
        const floor = Math.min(Math.max(minLength, 8), 128);
        expect(found.includes('too_long')).toBe(length > 128);
        if (length <= 128) expect(found.includes('too_short')).toBe(length < floor);
        expect(faults(password, minLength)).toEqual(found);
      }),
    );
  });

  it('refuse every text that repeats fewer than eight characters', () => {
    const unit = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(unit, fc.integer({ min: 2, max: 16 }), (text, times) => {
        expect(faults(text.repeat(times))).toContain('predictable');
      }),
    );
  });

  it('refuse every name with little around it, whatever its letters are written as', () => {
    const letters = 'bcdfghkmnpqruvwxyz';
    const word = fc.string({ unit: fc.constantFrom(...letters), minLength: 6, maxLength: 20 });
    const around = fc.string({ unit: fc.constantFrom('-', '.', ' ', '9', '_'), maxLength: 3 });
    fc.assert(
      fc.property(word, around, around, fc.boolean(), (name, before, after, upper) => {
        const owner = { email: 'x@y.example', name, organizations: [] };
        expect(faults(`${before}${upper ? name.toUpperCase() : name}${after}`, 8, owner)).toContain(
          'similar',
        );
      }),
    );
  });

  it('accept random passwords', () => {
    const refused = Array.from({ length: 5_000 }, () => randomBytes(15).toString('base64url')).filter(
      (password) => faults(password).length > 0,
    );
    // One may be taken for a common one: once in two hundred and fifty runs.
    expect(refused.length).toBeLessThanOrEqual(1);
  });

  it('take little time, also for what is made to take much', () => {
    const owner = {
      email: `${'ab'.repeat(32)}@${'ab'.repeat(60)}.example`,
      name: 'ab'.repeat(100),
      organizations: Array.from({ length: 20 }, () => ({ name: 'abba'.repeat(50), slug: 'ab-'.repeat(20) })),
    };
    expect(computing(() => faults('abac'.repeat(32), 8, owner))).toBeLessThan(200);
  });
});
