import { SKEW_MS } from '../lifecycle/clock-skew.ts';
/** The judgement of gates: only pass passes. */

export const verdicts = ['pass', 'fail', 'inconclusive', 'stale'] as const;
export type Verdict = (typeof verdicts)[number];

export interface GateResult {
  readonly name: string;
  readonly kind: string;
  readonly verdict: Verdict;
  /** A stable word for the why; see docs/rollouts.md. */
  readonly reason: string;
  /** It is shown and does not block. */
  readonly dryRun: boolean;
  /** RFC 3339: when a pass ends by itself, where it does. */
  readonly until?: string | undefined;
}

/** The gates that keep a rollout from going on. */
export function blocking(results: readonly GateResult[]): GateResult[] {
  return results.filter(({ verdict, dryRun }) => verdict !== 'pass' && !dryRun);
}

/** No gate at all is no pass: something must have looked. */
export function allPass(results: readonly GateResult[]): boolean {
  return results.some(({ dryRun }) => !dryRun) && blocking(results).length === 0;
}

/** Something observed: by whom it is judged fresh enough depends on the gate. Times are milliseconds. */
export interface Observation {
  readonly verdict: Verdict;
  readonly observedAt: number;
  readonly expiresAt: number | undefined;
}

/** What an observation is worth now: a pass that is too old, expired, or of the future is stale. */
export function judge(
  seen: Observation | undefined,
  now: number,
  maxAgeMs: number,
): Pick<GateResult, 'verdict' | 'reason' | 'until'> {
  if (!seen) return { verdict: 'inconclusive', reason: 'never_observed' };
  if (seen.verdict !== 'pass') return { verdict: seen.verdict, reason: `observed_${seen.verdict}` };
  const ends = Math.min(seen.observedAt + maxAgeMs, seen.expiresAt ?? Infinity);
  if (!(seen.observedAt <= now + SKEW_MS)) return { verdict: 'stale', reason: 'observed_in_the_future' };
  if (!(now < ends)) return { verdict: 'stale', reason: 'too_old' };
  return { verdict: 'pass', reason: 'observed_pass', until: new Date(Math.min(ends, 8.64e15)).toISOString() };
}
