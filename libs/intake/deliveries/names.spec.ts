import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitsAny, isCommit, isRefName, isRepository } from './names.ts';

describe('the name of a ref', () => {
  it.each(['main', 'release/1.2', 'a.b', 'v1', 'fix/#12', 'ä', 'a@b', 'x-y_z'])('may be %s', (name) => {
    expect(isRefName(name)).toBe(true);
  });

  /** As of git-check-ref-format(1), and what would lead elsewhere in a path. */
  it.each([
    '',
    '.',
    '..',
    'a..b',
    '../x',
    'a/../b',
    'a/./b',
    '.a',
    'a/.b',
    'a.lock',
    'a.lock/b',
    'a/',
    '/a',
    'a//b',
    'a.',
    '@',
    'a@{1}',
    'a b',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[b',
    'a\\b',
    'a\u0000',
    'a\u007f',
    'a\nb',
    'a\ud800',
    'x'.repeat(256),
  ])('is never %j', (name) => {
    expect(isRefName(name)).toBe(false);
  });

  it('stays one part of a path, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (name) => {
        if (!isRefName(name)) return;
        const url = new URL(`https://gitea.example/api/v1/repos/a/b/branches/${encodeURIComponent(name)}`);
        expect(decodeURIComponent(url.pathname)).toBe(`/api/v1/repos/a/b/branches/${name}`);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a repository and a commit', () => {
  it('are known by their form', () => {
    for (const name of ['a/b', 'acme/ledger.js', 'a_b/c-d']) expect(isRepository(name)).toBe(true);
    for (const name of ['a', 'a/b/c', '../b', 'a/..', 'a/.', 'A/b', 'a/b c', '/b', 'a/']) {
      expect(isRepository(name)).toBe(false);
    }
    expect([isCommit('a'.repeat(40)), isCommit('0'.repeat(64))]).toEqual([true, true]);
    expect([isCommit('a'.repeat(39)), isCommit('A'.repeat(40)), isCommit('HEAD')]).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe('a pattern', () => {
  it('fits as the same regular expression does', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), maxLength: 8 });
    const names = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 10 });
    fc.assert(
      fc.property(letters, names, (pattern, name) => {
        const same = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
        expect(fitsAny([pattern], name)).toBe(same.test(name));
      }),
      { numRuns: 2_000 },
    );
  });

  it('of many stars does not take long', () => {
    expect(fitsAny(['*a'.repeat(100)], `${'a'.repeat(255)}b`)).toBe(false);
    expect(fitsAny([], 'main')).toBe(false);
  });
});
