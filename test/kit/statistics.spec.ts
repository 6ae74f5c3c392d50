import { describe, expect, it } from 'vitest';
import { compare, median } from './statistics.ts';

describe('the comparison of durations', () => {
  it('agrees with a worked example', () => {
    // Of 25 pairs a is the longer in three (4 and 5 over 3, 5 over 4) and equal in three.
    const { auc, medianA, medianB } = compare([1, 2, 3, 4, 5], [3, 4, 5, 6, 7]);
    expect(auc).toBeCloseTo((3 + 3 * 0.5) / 25);
    expect([medianA, medianB]).toEqual([3, 5]);
  });

  it('finds no difference between equals, and a plain one where there is one', () => {
    const same = Array.from({ length: 200 }, (_, index) => (index * 7919) % 101);
    expect(compare(same, same.toReversed())).toMatchObject({ auc: 0.5 });
    expect(compare(same, same.toReversed()).p).toBeCloseTo(1);
    const later = compare(
      same.map((value) => value + 50),
      same,
    );
    expect(later.auc).toBeGreaterThan(0.8);
    expect(later.p).toBeLessThan(1e-6);
  });

  it('says how likely a difference is by chance', () => {
    // Computed apart from this code: U = 1510 of 2500, z = 1.792393, erfc(z / √2) = 0.073070.
    const b = Array.from({ length: 50 }, (_, index) => index);
    const a = b.map((value) => value + (value < 16 ? 5.51 : 5.61));
    const { auc, p } = compare(a, b);
    expect(auc).toBeCloseTo(1_510 / 2_500, 9);
    expect(p).toBeCloseTo(0.07307, 5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
});
