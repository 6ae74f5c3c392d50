import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { occurrenceAt, type Window, windowFault } from './freeze-window.ts';

const at = (text: string): number => Date.parse(text);
const nightly: Window = {
  start: '20260101T020000',
  timeZone: 'Europe/Berlin',
  rule: 'FREQ=DAILY',
  durationSeconds: 3600,
};
const frozen = (window: Window, text: string): boolean => occurrenceAt(window, at(text)) !== undefined;

describe('a freeze window', () => {
  it('covers each occurrence from its first moment to before its last', () => {
    expect(frozen(nightly, '2026-07-10T00:00:00Z')).toBe(true);
    expect(frozen(nightly, '2026-07-10T00:59:59.999Z')).toBe(true);
    expect(frozen(nightly, '2026-07-10T01:00:00Z')).toBe(false);
    expect(frozen(nightly, '2026-07-09T23:59:59.999Z')).toBe(false);
  });

  it('keeps to local time over the year', () => {
    expect(frozen(nightly, '2026-01-10T01:30:00Z')).toBe(true);
    expect(frozen(nightly, '2026-01-10T00:30:00Z')).toBe(false);
  });

  it('is there also on the day whose clocks skip the hour it begins in', () => {
    // 2026-03-29: 02:00 CET becomes 03:00 CEST at 01:00Z.
    expect(frozen(nightly, '2026-03-29T01:30:00Z')).toBe(true);
  });

  it('covers the hour that comes twice both times', () => {
    const half = { ...nightly, start: '20260101T023000' };
    // 2026-10-25: 03:00 CEST becomes 02:00 CET at 01:00Z. 02:30 is 00:30Z and 01:30Z.
    expect(frozen(half, '2026-10-25T00:30:00Z')).toBe(true);
    expect(frozen(half, '2026-10-25T01:45:00Z')).toBe(true);
    expect(frozen(half, '2026-10-25T02:29:00Z')).toBe(true);
    expect(frozen(half, '2026-10-25T02:31:00Z')).toBe(false);
  });

  it('knows rules by weekday, by month and to an end', () => {
    const weekend = {
      ...nightly,
      start: '20260102T180000',
      rule: 'FREQ=WEEKLY;BYDAY=FR',
      durationSeconds: 60 * 3600,
    };
    expect(frozen(weekend, '2026-11-22T12:00:00Z')).toBe(true);
    expect(frozen(weekend, '2026-11-23T12:00:00Z')).toBe(false);
    const until = { ...nightly, rule: 'FREQ=DAILY;UNTIL=20260110T000000Z' };
    expect(frozen(until, '2026-01-09T01:30:00Z')).toBe(true);
    expect(frozen(until, '2026-01-12T01:30:00Z')).toBe(false);
    const once = { ...nightly, rule: undefined };
    expect(frozen(once, '2026-01-01T01:30:00Z')).toBe(true);
    expect(frozen(once, '2026-01-02T01:30:00Z')).toBe(false);
  });

  it('once started is found again after twenty years', () => {
    expect(frozen(nightly, '2046-07-10T00:30:00Z')).toBe(true);
  });

  it('is refused where it cannot be understood', () => {
    for (const wrong of [
      { start: '2026-01-01T00:00:00Z' },
      { start: '20261301T000000' },
      { timeZone: 'Nowhere/Town' },
      { rule: 'FREQ=SECONDLY' },
      { rule: 'FREQ=FORTNIGHTLY' },
      { rule: 'BYDAY=MO' },
      { rule: 'FREQ=DAILY\nEXDATE:20260102T020000Z' },
      { durationSeconds: 0 },
      { durationSeconds: Number.NaN },
    ])
      expect(windowFault({ ...nightly, ...wrong }), JSON.stringify(wrong)).toBeDefined();
    expect(windowFault(nightly)).toBeUndefined();
  });

  it('covers every moment of each of its occurrences, in any zone', () => {
    const zone = fc.constantFrom(
      'UTC',
      'Europe/Berlin',
      'America/New_York',
      'Asia/Kolkata',
      'Pacific/Apia',
      'Australia/Lord_Howe',
    );
    fc.assert(
      fc.property(
        zone,
        fc.integer({ min: at('2026-01-02T00:00:00Z'), max: at('2029-01-01T00:00:00Z') }),
        fc.integer({ min: 60, max: 200_000 }),
        (timeZone, moment, durationSeconds) => {
          const found = occurrenceAt({ ...nightly, timeZone, durationSeconds }, moment);
          // A window of a day and more, every day, leaves no gap: the longest day has 25 hours.
          if (durationSeconds >= 90_000) expect(found).toBeDefined();
          if (!found) return;
          expect(moment).toBeGreaterThanOrEqual(found.from);
          expect(moment).toBeLessThan(found.to);
          expect(found.to - found.from).toBeGreaterThanOrEqual(durationSeconds * 1000);
          const last = occurrenceAt({ ...nightly, timeZone, durationSeconds }, found.to - 1);
          expect(last).toBeDefined();
        },
      ),
      { numRuns: 400 },
    );
  });
});
