import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CURRENT, formatHash, isOutdated, parseHash } from './password-hash.ts';

const salt = Buffer.from('somesalt-somesalt');
const hash = Buffer.alloc(32, 7);

describe('a stored password hash', () => {
  it('is written as the PHC format has it', () => {
    expect(formatHash({ memory: 19_456, passes: 2, parallelism: 1, salt, hash })).toBe(
      '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQtc29tZXNhbHQ$BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc',
    );
  });

  it('reads back as it was written', () => {
    const bytes = (min: number) =>
      fc.uint8Array({ minLength: min, maxLength: 64 }).map((b) => Buffer.from(b));
    const parts = fc.record({
      memory: fc.integer({ min: 8, max: 99_999_999 }),
      passes: fc.integer({ min: 1, max: 999 }),
      parallelism: fc.integer({ min: 1, max: 999 }),
      salt: bytes(8),
      hash: bytes(16),
    });
    fc.assert(
      fc.property(parts, (one) => {
        expect(parseHash(formatHash(one))).toEqual(one);
      }),
    );
  });

  it.each([
    '',
    'password',
    '$2b$12$abcdefghijklmnopqrstuv',
    '$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$BwcH',
    '$argon2id$v=16$m=19456,t=2,p=1$c29tZXNhbHQ$BwcH',
    '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$',
    '$argon2id$v=19$m=19456,t=2,p=1$$BwcH',
    '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$BwcH\n',
    '$argon2id$v=19$m=1e9,t=2,p=1$c29tZXNhbHQ$BwcH',
  ])('that is none of ours (%j) lets nobody in', (text) => {
    expect(() => parseHash(text)).toThrow('not in the PHC format');
  });

  it('never shows what it could not read', () => {
    expect(() => parseHash('planted-secret')).toThrow(/^(?!.*planted)/);
  });

  it('is outdated where it was made with less than now', () => {
    const madeWith = (more: object): string =>
      formatHash({ ...CURRENT, salt: randomBytes(16), hash: randomBytes(32), ...more });
    expect(isOutdated(madeWith({}))).toBe(false);
    expect(isOutdated(madeWith({ memory: CURRENT.memory + 1, passes: CURRENT.passes + 1 }))).toBe(false);
    expect(isOutdated(madeWith({ memory: CURRENT.memory - 1 }))).toBe(true);
    expect(isOutdated(madeWith({ passes: CURRENT.passes - 1 }))).toBe(true);
    expect(isOutdated(madeWith({ parallelism: 2 }))).toBe(true);
  });

  it('is made with no less than OWASP asks', () => {
    expect(CURRENT.memory).toBeGreaterThanOrEqual(19 * 1024);
    expect(CURRENT.passes).toBeGreaterThanOrEqual(2);
  });
});
