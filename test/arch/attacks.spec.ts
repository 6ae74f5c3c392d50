import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { notShown, ROOT, shownBy } from './shown-by.ts';

/** docs/security/rollouts.md says of each attack what answers it, and by which test that is tried. */
const text = readFileSync(join(ROOT, 'docs/security/rollouts.md'), 'utf8');
const rows = text.split('\n').flatMap((line) => {
  const cells = line.split('|').map((cell) => cell.trim());
  const isRow = cells.length === 5 && cells[1] !== 'attack' && !/^-+$/.test(cells[1] ?? '');
  return isRow ? [{ attack: cells[1] ?? '', answer: cells[2] ?? '', shown: cells[3] ?? '' }] : [];
});
const codes = readFileSync(join(ROOT, 'test/arch/snapshots/faults.txt'), 'utf8');

describe('the attacks on rollouts and on the intake', () => {
  it('are each tried by a test that is there', () => {
    expect(rows.length).toBeGreaterThan(40);
    for (const { attack, answer, shown } of rows) {
      expect(shownBy(shown).every(({ title }) => title !== undefined) && shown !== '', attack).toBe(true);
      expect(notShown(shown), attack).toEqual([]);
      expect(answer.length, attack).toBeGreaterThan(5);
    }
  });

  it('are answered by codes that the product has', () => {
    const named = rows.flatMap(({ answer }) => [
      ...answer.matchAll(/`((?:rollout|intake|auth|http)\.\w+)`/g),
    ]);
    expect(named.length).toBeGreaterThan(25);
    for (const [, code = ''] of named) expect(codes).toContain(code);
  });

  it('would not pass with a test that is not there', () => {
    expect(notShown('`test/no-such.spec.ts` “x”')).toHaveLength(1);
    expect(notShown('`README.md` “no such title”')).toHaveLength(1);
  });
});
