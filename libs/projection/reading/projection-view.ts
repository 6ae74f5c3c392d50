import { sha256 } from '#kernel';
import type { Subject } from '../history/projection.store.ts';
import { expiries, expiryOf, type Moment, momentOf, type Step } from '../history/snapshot.ts';
import { reasons } from '../verdict/reasons.ts';
import type { SurfaceValues } from '../verdict/vocabulary.ts';
import type { ConditionView, PostureValueView, ProjectionView } from './projections.contract.ts';

/** However long a verdict is valid: a worse one must not hide behind a cached copy for longer than this. */
const LONGEST_CACHED_S = 10;

/** A verdict as it is answered, with what a cache needs to know. */
export interface Told {
  readonly view: ProjectionView;
  /** An entity tag (RFC 9110 section 8.8.3): another one wherever the answer says something else than before. */
  readonly tag: string;
  /** Seconds. */
  readonly maxAge: number;
}

/** A subject at a moment, after what time alone has made of it since it was recorded. */
export function present(subject: Subject, now: number): Moment & { readonly pending: readonly Step[] } {
  const { recorded } = subject;
  const pending = expiries(subject, recorded?.snapshot, recorded?.expiresAt, now);
  const last = pending.at(-1)?.snapshot ?? recorded?.snapshot;
  return { ...momentOf(subject, last, now), pending };
}

export function tell(subject: Subject, now: number): Told {
  const moment = present(subject, now);
  const { validUntil } = moment.projection;
  const view = viewOf(subject, moment, now);
  // Where nothing can expire, the end of the answer moves with the clock and says nothing new.
  const { evaluatedAt: _, validUntil: end, ...said } = view;
  const text = JSON.stringify([said, expiryOf(moment.projection) === undefined ? null : end]);
  return {
    view,
    tag: `W/"${sha256(text).toString('base64url').slice(0, 22)}"`,
    maxAge: Math.max(0, Math.min(LONGEST_CACHED_S, Math.floor((validUntil - now) / 1_000))),
  };
}

function viewOf(subject: Subject, { projection, snapshot }: Moment, now: number): ProjectionView {
  const { id, orgId, key, name, policy } = subject;
  const since = new Map(snapshot.conditions.map((one) => [one.type, one.since]));
  const value = (field: keyof SurfaceValues): PostureValueView => {
    const { value: effective = null, stale } = projection.effective[field];
    return { desired: policy.desired[field], effective, stale };
  };
  return {
    surfaceId: id,
    key,
    name,
    organizationId: orgId,
    verdict: projection.verdict,
    reasons: [...projection.reasons],
    authMode: value('authMode'),
    onboardingStatus: value('onboardingStatus'),
    sessionHandoff: value('sessionHandoff'),
    adminPosture: value('adminPosture'),
    conditions: projection.conditions.map((one): ConditionView => ({
      type: one.type,
      status: one.status,
      reason: one.reason,
      message: reasons[one.reason].meaning,
      severity: one.gating ? 'gating' : 'advisory',
      source: one.source ?? null,
      observedGeneration: one.observedGeneration ?? null,
      lastTransitionTime: since.get(one.type) ?? timeOf(now),
      observedAt: one.observedAt === undefined ? null : timeOf(one.observedAt),
      staleAfter: one.staleAfter === undefined ? null : timeOf(one.staleAfter),
    })),
    generation: policy.generation,
    evaluatedAt: timeOf(now),
    validUntil: timeOf(projection.validUntil),
  };
}

export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
