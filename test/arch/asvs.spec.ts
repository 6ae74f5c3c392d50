import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testData } from '../kit/test-data.ts';
import { notShown, ROOT, shownBy } from './shown-by.ts';

/**
 * docs/security/asvs-5.0.md says of each requirement of ASVS 5.0 V6 to V9 and V16 whether it is met and what shows it.
 * Here the document is held to that: no requirement forgotten, nothing called met without a file that shows it.
 */
const DOCUMENT = 'docs/security/asvs-5.0.md';
const CHAPTERS = ['6', '7', '8', '9', '16'];
const STATES = ['met', 'partly', 'not met', 'not applicable'];

interface Row {
  readonly id: string;
  readonly level: string;
  readonly state: string;
  readonly how: string;
  readonly shown: string;
}

function rowsOf(text: string): Row[] {
  return text.split('\n').flatMap((line) => {
    const [, id = '', level = '', state = '', how = '', shown = ''] = line
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
    return /^\d+\.\d+\.\d+$/.test(id) ? [{ id, level, state, how, shown }] : [];
  });
}

/** What is wrong with a row, in words. */
function problemsOf({ id, level, state, how, shown }: Row): string[] {
  const problems: string[] = [];
  if (!/^[123]$/.test(level)) problems.push('has no level');
  if (!STATES.includes(state)) problems.push(`is in no known state: ${state}`);
  if (how.length < 15) problems.push('does not say how, or why not');
  if ((state === 'met' || state === 'partly') && shownBy(shown).length === 0)
    problems.push('names nothing that shows it');
  problems.push(...notShown(shown));
  return problems.map((problem) => `${id} ${problem}`);
}

describe('the document of ASVS 5.0', () => {
  const rows = rowsOf(readFileSync(join(ROOT, DOCUMENT), 'utf8'));

  it('says of every requirement whether it is met, and by what that is shown', () => {
    expect(rows.length).toBe(103);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    expect(rows.flatMap(problemsOf)).toEqual([]);
  });

  const data = testData('asvs-5.0');
  it.skipIf(data === undefined)('has the requirements and levels of the standard', () => {
    const standard = readFileSync(join(data ?? '', 'requirements.csv'), 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, id = '', level = ''] = /^(\d+\.\d+\.\d+),([123]),/.exec(line) ?? [];
        return CHAPTERS.includes(id.split('.')[0] ?? '') ? [`${id} ${level}`] : [];
      });
    expect(rows.map(({ id, level }) => `${id} ${level}`)).toEqual(standard);
  });

  it.each([
    ['an unknown state', { state: 'surely' }],
    ['no reason', { how: 'yes' }],
    ['nothing that shows it', { shown: '' }],
    ['a file that is not there', { shown: '`test/no-such.spec.ts`' }],
    ['words that the file does not say', { shown: '`README.md` “no such title”' }],
  ])('would not pass with %s', (_, change) => {
    const good = {
      id: '6.1.1',
      level: '1',
      state: 'met',
      how: 'in a way that is told',
      shown: '`README.md`',
    };
    expect(problemsOf(good)).toEqual([]);
    expect(problemsOf({ ...good, ...change })).toHaveLength(1);
  });
});
