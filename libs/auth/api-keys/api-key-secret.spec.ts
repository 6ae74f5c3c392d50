import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '#kernel';
import { API_KEY_PATTERN, keyDigest, makeApiKey, readApiKey } from './api-key-secret.ts';

describe('an API key', () => {
  it('names its id and matches the pattern that secret scanners look for', () => {
    for (let n = 0; n < 100; n += 1) {
      const id = newId();
      const key = makeApiKey(id);
      expect(key).toMatch(new RegExp(`^${API_KEY_PATTERN}$`));
      expect(readApiKey(key)).toBe(id);
    }
  });

  it('is another each time, also for the same id', () => {
    const id = newId();
    expect(new Set(Array.from({ length: 100 }, () => makeApiKey(id))).size).toBe(100);
  });

  it('is none any more when one character of it is another', () => {
    const key = makeApiKey(newId());
    const hex = '0123456789abcdef'.split('');
    fc.assert(
      fc.property(fc.integer({ min: 4, max: key.length - 1 }), fc.constantFrom(...hex), (at, character) => {
        const other = key.slice(0, at) + character + key.slice(at + 1);
        expect(readApiKey(other) === undefined).toBe(other !== key);
      }),
    );
  });

  it('is nothing else: no part, no case, no blank, no other token', () => {
    const key = makeApiKey(newId());
    const others = [
      '',
      'pck_',
      key.slice(0, -1),
      `${key}0`,
      ` ${key}`,
      `${key}\n`,
      key.toUpperCase(),
      'pcr_x',
      'eyJhbGciOiJub25lIn0..',
    ];
    for (const other of others) expect(readApiKey(other), other).toBeUndefined();
    fc.assert(fc.property(fc.string(), (text) => readApiKey(text) === undefined));
  });

  it('is stored as a digest that needs the pepper too', () => {
    const [key, pepper] = [makeApiKey(newId()), randomBytes(32)];
    const digest = keyDigest(key, pepper);
    expect(digest).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(keyDigest(key, pepper)).toBe(digest);
    expect(keyDigest(key, randomBytes(32))).not.toBe(digest);
    expect(keyDigest(makeApiKey(newId()), pepper)).not.toBe(digest);
  });
});
