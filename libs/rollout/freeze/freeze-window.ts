import { RRuleTemporal } from 'rrule-temporal';
import { ruleFault, withLocalEnd } from './freeze-rule.ts';

/**
 * Freeze windows: a recurrence rule (RFC 5545) in a time zone, and how long each occurrence lasts. Whatever cannot be
 * computed counts as frozen. Where a local time does not exist, because clocks are set forward, the window begins as
 * if they had not been (RFC 5545 section 3.3.5; a rule by itself would leave that day out); where one exists twice,
 * the window covers both.
 */
export interface Window {
  /** `YYYYMMDDTHHMMSS` in `timeZone`. */
  readonly start: string;
  /** IANA name. */
  readonly timeZone: string;
  /** The part after `RRULE:`; undefined where the window is there once. */
  readonly rule?: string | undefined;
  readonly durationSeconds: number;
}

export const LONGEST_SECONDS = 31 * 86_400;
const LOCAL = /^\d{8}T\d{6}$/;
const DAY_MS = 86_400_000;
/** A freeze is neither changed nor taken back while it is in force, so each has to come to an end some time. */
const LONGEST_IN_FORCE_DAYS = 366;
/** More than the hours of those days. */
const MOST_WALKED = 10_000;

/** What is wrong with a window; undefined where nothing is. */
export function windowFault({ start, timeZone, rule, durationSeconds }: Window): string | undefined {
  if (!LOCAL.test(start) || Number.isNaN(asUtc(start)) || asText(asUtc(start)) !== `${start}Z`)
    return 'start must be a local time as YYYYMMDDTHHMMSS';
  if (!isZone(timeZone)) return 'timeZone must be an IANA time zone';
  if (!(durationSeconds >= 60 && durationSeconds <= LONGEST_SECONDS))
    return `durationSeconds must be from 60 to ${LONGEST_SECONDS}`;
  if (rule === undefined) return undefined;
  const said = rule.length > 500 ? 'rule must be at most 500 characters' : ruleFault(rule);
  if (said !== undefined) return said;
  try {
    return hasBreak(recurrence(start, rule, timeZone), durationSeconds)
      ? undefined
      : `rule must leave a break within ${LONGEST_IN_FORCE_DAYS} days: a freeze that never ends could never be taken back`;
  } catch {
    return 'rule must be a recurrence rule as of RFC 5545';
  }
}

/** Whether the window, once it is in force, is at some time in force no longer. */
function hasBreak(rule: RRuleTemporal, durationSeconds: number): boolean {
  let [began, ends] = [Number.NaN, Number.NaN];
  let found: boolean | undefined;
  rule.all(({ epochMilliseconds: from }, index) => {
    if (from > ends) found = true;
    if (Number.isNaN(began)) began = from;
    ends = from + durationSeconds * 1000;
    if (ends - began > LONGEST_IN_FORCE_DAYS * DAY_MS || index > MOST_WALKED) found ??= false;
    return found === undefined;
  });
  // A rule that ran out has come to its end.
  return found ?? true;
}

/** The occurrence that covers `at`, or undefined. Milliseconds since 1970. Throws where it cannot be computed. */
export function occurrenceAt(window: Window, at: number): { from: number; to: number } | undefined {
  const { start, timeZone, rule, durationSeconds } = window;
  const lasts = durationSeconds * 1000;
  // Local times are compared as if they were UTC, with a day to spare for the offset of any zone.
  const locals =
    rule === undefined
      ? [asUtc(start)]
      : recurrence(start, rule, timeZone)
          .between(new Date(at - lasts - 2 * DAY_MS), new Date(at + 2 * DAY_MS), true)
          .map((one) => one.epochMilliseconds);
  for (const local of locals) {
    const from = Math.min(...instantsOf(local, timeZone));
    const to = Math.max(from + lasts, ...instantsOf(local + lasts, timeZone));
    if (at >= from && at < to) return { from, to };
  }
  return undefined;
}

/** In local times, read as if they were UTC. */
function recurrence(start: string, rule: string, timeZone: string): RRuleTemporal {
  const local = withLocalEnd(rule, (until) => {
    const instant = asUtc(until.slice(0, -1));
    return asText(instant + offsetAt(instant, timeZone));
  });
  return new RRuleTemporal({ rruleString: `DTSTART:${start}Z\nRRULE:${local}`, maxIterations: 100_000 });
}

const asText = (utc: number): string => new Date(utc).toISOString().replaceAll(/[-:]|\.\d+/g, '');

/** A local time read as if it were UTC; NaN where there is no such day. */
function asUtc(local: string): number {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)$/.exec(local) ?? [];
  return Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
}

function isZone(name: string): boolean {
  if (name.length > 64) return false;
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** The moments at which clocks in the zone may show this local time: one, two, or one as if they had not been set. */
function instantsOf(local: number, timeZone: string): number[] {
  const offsets = [local - DAY_MS, local + DAY_MS].map((near) => offsetAt(near, timeZone));
  const candidates = [...new Set(offsets)].map((offset) => ({ offset, at: local - offset }));
  const shown = candidates.filter(({ offset, at }) => offsetAt(at, timeZone) === offset);
  // In the gap neither offset fits; the one before it counts.
  return shown.length > 0 ? shown.map(({ at }) => at) : [local - (offsets[0] ?? 0)];
}

/** Milliseconds that local time is ahead of UTC at an instant. */
function offsetAt(instant: number, timeZone: string): number {
  const parts = formatOf(timeZone).formatToParts(instant);
  const get = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  const local = Date.UTC(
    get('year'),
    get('month') - 1,
    get('day'),
    get('hour'),
    get('minute'),
    get('second'),
  );
  return local - Math.floor(instant / 1000) * 1000;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-u-hc-h23', {
    timeZone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  // One per zone; there are some hundred of them.
  formats.set(timeZone, made);
  return made;
}
