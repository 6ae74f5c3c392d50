import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { html, moment, table } from './html.ts';
import { pageOf } from './page.ts';

const shown = (text: string): string => table(['x'], [[text]]).text;

describe('a page', () => {
  it('is broken out of by no text, wherever it stands', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 60 }),
      fc.constantFrom('</style><script>', '"><img src=x onerror=y>', '${x}', '&lt;', '<!--', "'`"),
    );
    fc.assert(
      fc.property(hostile, hostile, (one, other) => {
        const empty = pageOf({ title: '', organization: '', made: new Date(0), maker: '', foot: '' }, []);
        const full = pageOf({ title: one, organization: other, made: new Date(0), maker: one, foot: other }, [
          html`<p title="${one}">${other}</p>`,
        ]);
        const tags = (page: string): number => [...page.matchAll(/</g)].length;
        expect(tags(full)).toBe(tags(empty) + 2);
        expect(full.replace(empty, '')).not.toMatch(/<script|onerror=y>/);
      }),
    );
  });

  it('shows characters that hide or turn text around as what they are: none that is read', () => {
    expect(shown('admin\u202Enimda')).toContain('admin\uFFFDnimda');
    expect(shown('a\u200Bb')).toContain('a\uFFFDb');
  });

  it('says of each time which zone it is of, and of an empty table that it is empty', () => {
    expect(moment(new Date(0)).text).toContain('1970-01-01 00:00:00.000 UTC');
    expect(table(['x'], []).text).toContain('None.');
  });
});
