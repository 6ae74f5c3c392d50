/**
 * What a recurrence rule of a freeze may say (RFC 5545 section 3.3.10). Stricter than the library that computes it:
 * that one passes over parts it does not know and numbers out of range, and a freeze would then be another than the one
 * that was written. Nothing more often than hourly: every gate computes it.
 */

const FREQUENCIES = ['HOURLY', 'DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'];
const WEEKDAY = '(?:MO|TU|WE|TH|FR|SA|SU)';
const DAYS = new RegExp(`^(?:[+-]?[1-9]\\d?)?${WEEKDAY}(?:,(?:[+-]?[1-9]\\d?)?${WEEKDAY})*$`);

/** By part: the least and the greatest number, and whether it may be counted from the end. */
const NUMBERS: Readonly<Record<string, readonly [number, number, boolean?]>> = {
  BYMONTH: [1, 12],
  BYWEEKNO: [1, 53, true],
  BYYEARDAY: [1, 366, true],
  BYMONTHDAY: [1, 31, true],
  BYHOUR: [0, 23],
  BYSETPOS: [1, 366, true],
};

const fits: Readonly<Record<string, (value: string) => boolean>> = {
  FREQ: (value) => FREQUENCIES.includes(value),
  INTERVAL: (value) => /^[1-9]\d{0,3}$/.test(value),
  COUNT: (value) => /^[1-9]\d{0,3}$/.test(value),
  UNTIL: (value) => /^\d{8}(?:T\d{6}Z)?$/.test(value),
  WKST: (value) => new RegExp(`^${WEEKDAY}$`).test(value),
  BYDAY: (value) => DAYS.test(value),
  // One of each at most: a list of them would be more often than hourly.
  BYMINUTE: (value) => isNumber(value, [0, 59]),
  BYSECOND: (value) => isNumber(value, [0, 59]),
  ...Object.fromEntries(
    Object.entries(NUMBERS).map(([name, range]) => [
      name,
      (value: string) => value.split(',').every((one) => isNumber(one, range)),
    ]),
  ),
};

function isNumber(text: string, [least, greatest, fromEnd]: readonly [number, number, boolean?]): boolean {
  if (!/^[+-]?\d{1,3}$/.test(text) || (text.startsWith('-') && !fromEnd)) return false;
  const number = Math.abs(Number(text));
  return number >= least && number <= greatest;
}

/** What is wrong with the part after `RRULE:`; undefined where nothing is. */
export function ruleFault(rule: string): string | undefined {
  const parts = rule.split(';').map((part) => part.split('='));
  const names = parts.map(([name = '']) => name);
  const wrong = parts.find(([name = '', value = '', more]) => more !== undefined || !fits[name]?.(value));
  if (wrong) return `rule must not say ${wrong.join('=').slice(0, 50)}`;
  if (new Set(names).size !== names.length) return 'rule must say each part once';
  if (!names.includes('FREQ')) return 'rule must say its FREQ';
  return names.includes('COUNT') && names.includes('UNTIL')
    ? 'rule must not say both COUNT and UNTIL'
    : undefined;
}

/**
 * The rule with its UNTIL as `toLocal` reads it: an instant of UTC becomes the local time of the zone, in which the
 * occurrences are; a day is all of that day.
 */
export function withLocalEnd(rule: string, toLocal: (until: string) => string): string {
  return rule.replace(/(^|;)UNTIL=(\d{8})(T\d{6}Z)?/, (_all, before: string, day: string, time?: string) =>
    time === undefined ? `${before}UNTIL=${day}T235959Z` : `${before}UNTIL=${toLocal(`${day}${time}`)}`,
  );
}
