import { type Facts, type Policy, project, type Projection } from '../verdict/verdict.ts';
import type { Reason } from '../verdict/reasons.ts';
import type { ConditionStatus, ConditionType, SurfaceValues, Verdict } from '../verdict/vocabulary.ts';

/** One aspect as it was recorded. `since`: when its status became what it is, RFC 3339. */
interface PastCondition {
  readonly type: ConditionType;
  readonly status: ConditionStatus;
  readonly reason: Reason;
  readonly gating: boolean;
  readonly since: string;
}

/** What is recorded of a verdict: everything whose change is worth a line of history, and nothing that only ages. */
export interface Snapshot {
  readonly verdict: Verdict;
  readonly reasons: readonly Reason[];
  readonly generation: number;
  readonly desired: SurfaceValues;
  readonly effective: { readonly [K in keyof SurfaceValues]: { value?: string | undefined; stale: boolean } };
  readonly conditions: readonly PastCondition[];
}

/** What a verdict rests on. */
export interface Inputs {
  readonly facts: Facts;
  readonly policy: Policy;
}

/** What a surface is at a moment: the verdict, and since when each of its conditions is as it is. */
export interface Moment {
  readonly projection: Projection;
  readonly snapshot: Snapshot;
}

/** One change of what is recorded. `at`: epoch milliseconds. */
export interface Step extends Moment {
  readonly at: number;
}

/** The surface at `now`, next to what was recorded of it before. */
export function momentOf({ facts, policy }: Inputs, before: Snapshot | undefined, now: number): Moment {
  const projection = project(facts, policy, now);
  const { verdict, reasons, effective } = projection;
  const past = new Map(before?.conditions.map((one) => [one.type, one]));
  const at = new Date(now).toISOString();
  const conditions = projection.conditions.map(({ type, status, reason, gating }) => {
    const was = past.get(type);
    return { type, status, reason, gating, since: was?.status === status ? was.since : at };
  });
  const { generation, desired } = policy;
  return { projection, snapshot: { verdict, reasons, generation, desired, effective, conditions } };
}

/** Whether two snapshots say the same: only times may differ. */
export function saysTheSame(a: Snapshot, b: Snapshot): boolean {
  return changesBetween(a, b).length === 0;
}

/**
 * The changes that time alone made since `before` was recorded, in order: a fact expired, and then perhaps another.
 * `expiresAt`: when the first was to. There are as many as there are kinds of facts at most.
 */
export function expiries(
  inputs: Inputs,
  before: Snapshot | undefined,
  expiresAt: number | undefined,
  now: number,
): Step[] {
  const steps: Step[] = [];
  let last = before;
  for (let at = expiresAt; at !== undefined && at <= now;) {
    const moment = momentOf(inputs, last, at);
    if (last === undefined || !saysTheSame(last, moment.snapshot)) {
      steps.push({ at, ...moment });
      last = moment.snapshot;
    }
    // Only ever forward, so that this ends whatever the verdict says.
    const next = expiryOf(moment.projection);
    at = next !== undefined && next > at ? next : undefined;
  }
  return steps;
}

/** When the next fact expires; undefined where none is fresh, so that nothing changes by itself. */
export function expiryOf({ conditions, validUntil }: Projection): number | undefined {
  return conditions.some(({ staleAfter }) => staleAfter === validUntil) ? validUntil : undefined;
}

export interface Difference {
  readonly path: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** What is not the same in two snapshots, by path. */
export function changesBetween(from: Snapshot | undefined, to: Snapshot): Difference[] {
  const [a, b] = [from ? flat(from) : new Map<string, string>(), flat(to)];
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((path) => a.get(path) !== b.get(path))
    .map((path) => ({ path, from: a.get(path), to: b.get(path) }));
}

function flat({ verdict, generation, desired, effective, conditions }: Snapshot): Map<string, string> {
  const lines = new Map<string, string>([
    ['verdict', verdict],
    ['generation', String(generation)],
  ]);
  for (const field of Object.keys(desired) as (keyof SurfaceValues)[]) {
    lines.set(`desired.${field}`, desired[field]);
    const { value = '', stale } = effective[field];
    lines.set(`effective.${field}`, stale ? `${value} (stale)`.trimStart() : value);
  }
  for (const { type, status, reason, gating } of conditions) {
    lines.set(`conditions.${type}`, `${status} ${reason}${gating ? '' : ' (advisory)'}`);
  }
  return lines;
}
