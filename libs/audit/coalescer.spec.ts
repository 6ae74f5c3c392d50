import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Coalescer } from './coalescer.ts';

const limits = { windowMs: 60_000, individually: 10, kinds: 50 };

describe('the coalescer', () => {
  it('lets the first ones through, counts the rest, and gives the count once the window has ended', () => {
    const coalescer = new Coalescer<number>(limits);
    const admitted = Array.from({ length: 1_000 }, (_, n) => coalescer.admit('org', 'kind', n, n));
    expect(admitted.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => true));
    expect(admitted.slice(10)).not.toContain(true);
    expect(coalescer.take(59_999)).toEqual([]);
    expect(coalescer.take(60_000)).toMatchObject([{ sample: 999, count: 990, mixed: false }]);
    expect(coalescer.take(60_000)).toEqual([]);
    expect(coalescer.admit('org', 'kind', 1, 60_001)).toBe(true);
  });

  it('tells groups and kinds apart', () => {
    const coalescer = new Coalescer<string>({ ...limits, individually: 1 });
    for (const group of ['a', 'b']) {
      for (const kind of ['x', 'y']) {
        expect(coalescer.admit(group, kind, group + kind, 0)).toBe(true);
        expect(coalescer.admit(group, kind, group + kind, 0)).toBe(false);
      }
    }
    const counted = coalescer.take(0, true);
    expect(counted.map(({ sample, count }) => [sample, count])).toEqual([
      ['ax', 1],
      ['ay', 1],
      ['bx', 1],
      ['by', 1],
    ]);
  });

  it('gives up everything when it is asked for all', () => {
    const coalescer = new Coalescer<string>(limits);
    for (let n = 0; n < 11; n += 1) coalescer.admit('org', 'kind', 'one', 0);
    expect(coalescer.take(1, true)).toMatchObject([{ sample: 'one', count: 1, mixed: false }]);
  });

  it('gives nothing for a window in which nothing was counted', () => {
    const coalescer = new Coalescer<string>(limits);
    coalescer.admit('org', 'kind', 'one', 0);
    expect(coalescer.take(60_000)).toEqual([]);
  });

  it('says that a count is of many kinds when there were too many to tell apart', () => {
    const coalescer = new Coalescer<number>(limits);
    let alone = 0;
    for (let n = 0; n < 5_000; n += 1) alone += coalescer.admit('org', `source ${n}`, n, 0) ? 1 : 0;
    // One for each kind, and ten for all that are beyond.
    expect(alone).toBe(60);
    expect(coalescer.take(0, true)).toMatchObject([{ sample: 4_999, count: 4_940, mixed: true }]);
  });

  it('takes back what could not be recorded', () => {
    const coalescer = new Coalescer<string>(limits);
    for (let n = 0; n < 15; n += 1) coalescer.admit('org', 'kind', 'early', 0);
    const [counted] = coalescer.take(60_000);
    for (let n = 0; n < 12; n += 1) coalescer.admit('org', 'kind', 'late', 60_001);
    coalescer.restore(counted!, 60_002);
    expect(coalescer.take(0, true)).toMatchObject([{ sample: 'late', count: 7, mixed: false }]);
    coalescer.restore(counted!, 60_003);
    expect(coalescer.take(0, true)).toMatchObject([{ sample: 'early', count: 5, mixed: false }]);
  });

  it('forgets one that was admitted and could not be recorded', () => {
    const coalescer = new Coalescer<true>({ ...limits, individually: 1 });
    expect(coalescer.admit('org', 'reader', true, 0)).toBe(true);
    coalescer.forget('org', 'reader');
    expect(coalescer.admit('org', 'reader', true, 1)).toBe(true);
    expect(coalescer.admit('org', 'reader', true, 2)).toBe(false);
  });

  it('neither loses nor invents any, whenever it is asked', () => {
    const step = fc.record({
      group: fc.constantFrom('a', 'b'),
      kind: fc.integer({ min: 0, max: 80 }),
      after: fc.integer({ min: 0, max: 20_000 }),
      take: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const coalescer = new Coalescer<string>({ windowMs: 60_000, individually: 2, kinds: 20 });
        let [now, admitted, counted] = [0, 0, 0];
        for (const { group, kind, after, take } of steps) {
          now += after;
          if (take) for (const { count } of coalescer.take(now)) counted += count;
          if (coalescer.admit(group, String(kind), group, now)) admitted += 1;
        }
        for (const { count } of coalescer.take(now, true)) counted += count;
        expect(admitted + counted).toBe(steps.length);
      }),
    );
  });
});
