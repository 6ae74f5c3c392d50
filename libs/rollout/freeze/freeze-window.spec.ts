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
      { start: '20260230T000000' },
      { timeZone: 'Nowhere/Town' },
      { rule: 'FREQ=SECONDLY' },
      { rule: 'FREQ=FORTNIGHTLY' },
      { rule: 'BYDAY=MO' },
      { rule: 'FREQ=DAILY\nEXDATE:20260102T020000Z' },
      { rule: '' },
      { rule: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30' },
      { rule: 'FREQ=DAILY;UNTIL=20260110T000000' },
      { rule: 'FREQ=DAILY;COUNT=3;UNTIL=20260110' },
      { durationSeconds: 0 },
      { durationSeconds: Number.NaN },
    ])
      expect(windowFault({ ...nightly, ...wrong }), JSON.stringify(wrong)).toBeDefined();
    expect(windowFault(nightly)).toBeUndefined();
  });

  it('is refused where the library would pass over a part of it, and freeze something else', () => {
    for (const rule of [
      'FREQ=DAILY;EXDATE=20260102T020000Z',
      'FREQ=DAILY;TZID=Europe/Berlin',
      'FREQ=DAILY;BYMONTHDAY=99',
      'FREQ=HOURLY;BYHOUR=24',
      'FREQ=HOURLY;FREQ=YEARLY',
      'FREQ=DAILY;BYDAY=MO,XX',
      'FREQ=DAILY;INTERVAL=0',
      'FREQ=DAILY;COUNT=10000',
      'FREQ=HOURLY;BYMINUTE=0,1,2',
      'FREQ=HOURLY;BYSECOND=0,1,2',
      'freq=daily',
      'FREQ=DAILY;',
      'FREQ=DAILY;BYDAY',
    ])
      expect(windowFault({ ...nightly, rule }), rule).toMatch(/^rule must/);
    for (const rule of [
      'FREQ=MONTHLY;BYDAY=-1FR;WKST=MO',
      'FREQ=YEARLY;INTERVAL=2;BYMONTH=12;BYMONTHDAY=-1,24',
      'FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=0,12;COUNT=20',
      'FREQ=DAILY;BYMINUTE=30;UNTIL=20270101',
    ])
      expect(windowFault({ ...nightly, rule }), rule).toBeUndefined();
  });

  it('ends when its zone says so, and on a day named as its last still covers that day', () => {
    const late = { ...nightly, start: '20260101T003000' };
    // 00:30 in Berlin on the tenth is 23:30Z on the ninth: the end itself still belongs to it.
    const east = { ...late, rule: 'FREQ=DAILY;UNTIL=20260109T233000Z' };
    expect(frozen(east, '2026-01-09T23:45:00Z')).toBe(true);
    expect(frozen(east, '2026-01-10T23:45:00Z')).toBe(false);
    // 20:00 in New York on the ninth is 01:00Z on the tenth: after the end.
    const west = {
      ...late,
      timeZone: 'America/New_York',
      start: '20260101T200000',
      rule: 'FREQ=DAILY;UNTIL=20260110T000000Z',
    };
    expect(frozen(west, '2026-01-09T01:30:00Z')).toBe(true);
    expect(frozen(west, '2026-01-10T01:30:00Z')).toBe(false);
    const day = { ...nightly, rule: 'FREQ=DAILY;UNTIL=20260109' };
    expect(frozen(day, '2026-01-09T01:30:00Z')).toBe(true);
    expect(frozen(day, '2026-01-10T01:30:00Z')).toBe(false);
  });

  it('may come back for ever, but not be in force for ever: it could never be taken back', () => {
    const day = { ...nightly, durationSeconds: 86_400 };
    expect(windowFault(day)).toMatch(/^rule must leave a break/);
    expect(windowFault({ ...day, durationSeconds: 86_399 })).toBeUndefined();
    expect(windowFault({ ...day, rule: 'FREQ=DAILY;COUNT=366' })).toBeUndefined();
    expect(windowFault({ ...day, rule: 'FREQ=DAILY;COUNT=367' })).toMatch(/^rule must leave a break/);
    const hourly = { ...nightly, rule: 'FREQ=HOURLY', durationSeconds: 3_600 };
    expect(windowFault(hourly)).toMatch(/^rule must leave a break/);
    expect(windowFault({ ...hourly, durationSeconds: 3_599 })).toBeUndefined();
    const monthly = { ...nightly, rule: 'FREQ=MONTHLY', durationSeconds: 31 * 86_400 };
    expect(windowFault(monthly)).toMatch(/^rule must leave a break/);
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
