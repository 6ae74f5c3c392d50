import { rankOf, type Reason, reasons } from './reasons.ts';
import {
  type ConditionStatus,
  type ConditionType,
  type FactKind,
  factKinds,
  type SurfaceValues,
  surfaceVocabulary,
  type Verdict,
  verdicts,
} from './vocabulary.ts';

/** How far clocks may differ, in milliseconds. A fact from further in the future is refused. */
export const SKEW_MS = 30_000;
/** How long an answer holds that rests on no fresh fact, so that nothing in it can expire. */
const RESTLESS_MS = 60_000;

/** One fact as it was taken. Times are epoch milliseconds. */
export interface Fact {
  readonly revision: number;
  /** The generation of what was desired when it came. */
  readonly generation: number;
  readonly authorityId: string;
  readonly observedAt: number;
  readonly receivedAt: number;
  readonly ttlSeconds: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly hasEvidence: boolean;
  /** Whether another content came under the same revision. */
  readonly inConflict: boolean;
}

/** The newest fact of each kind. */
export type Facts = { readonly [K in FactKind]?: Fact | undefined };

/** What a surface is judged by. */
export interface Policy {
  readonly generation: number;
  readonly desired: SurfaceValues;
  /** Whether facts without evidence hold the verdict back, or are only pointed out. */
  readonly requireEvidence: boolean;
  /** The names of the tenant that facts may use. */
  readonly tenants: readonly string[];
  /** The authority that owns each kind now. */
  readonly owners: { readonly [K in FactKind]?: string | undefined };
}

/** One aspect, in the form of Kubernetes' conditions. Every type is good when True; Unknown is not. */
export interface Condition {
  readonly type: ConditionType;
  readonly status: ConditionStatus;
  readonly reason: Reason;
  /** Whether it holds the verdict back, or only advises. */
  readonly gating: boolean;
  /** The fact it rests on mostly. */
  readonly source: FactKind | undefined;
  /** The generation of what is desired that this fact was told in view of. */
  readonly observedGeneration: number | undefined;
  readonly observedAt: number | undefined;
  readonly staleAfter: number | undefined;
}

/** What a fact says of one field. `stale`: last known, and worth nothing for the verdict. */
export interface EffectiveValue {
  readonly value: string | undefined;
  readonly stale: boolean;
}

export interface Projection {
  readonly verdict: Verdict;
  /** Of every gating condition that is not True, the worst first. */
  readonly reasons: readonly Reason[];
  readonly conditions: readonly Condition[];
  readonly effective: { readonly [K in keyof SurfaceValues]: EffectiveValue };
  /** The earliest expiry of a fresh fact: from then on nobody may act on this. Epoch milliseconds. */
  readonly validUntil: number;
}

/** A fact, and what is wrong with it as a whole; `ready` where it may be used. */
interface Read {
  readonly fact: Fact | undefined;
  readonly fault: Reason;
}

/**
 * The verdict on a surface, from the facts of its owners and nothing else. Only conditions that are True by fresh facts
 * of the present owners make it ready. Pure: removing, ageing or contradicting a fact never improves the verdict.
 */
export function project(facts: Facts, policy: Policy, now: number): Projection {
  const rights = read(facts.rights, policy.owners.rights, now);
  const auth = read(facts.auth, policy.owners.auth, now);
  const runtime = read(facts.runtime, policy.owners.runtime, now);
  const { generation } = policy;
  const conditions = [
    condition('RightsCurrent', rights, 'rights', () => currentFault(rights.fact, generation)),
    condition('AuthCurrent', auth, 'auth', () => currentFault(auth.fact, generation)),
    condition('RuntimeCurrent', runtime, 'runtime', () => currentFault(runtime.fact, generation)),
    tenantCondition([rights, auth, runtime], policy.tenants),
    condition('Onboarded', rights, 'rights', (data) => onboardingFault(data, policy.desired)),
    condition('AuthModeSettled', auth, 'auth', (data) => authFault(data, policy.desired)),
    pairCondition('SessionLive', [auth, 'auth'], [runtime, 'runtime'], (a, b) =>
      sessionFault(a, b, policy.desired),
    ),
    pairCondition('RightsAligned', [rights, 'rights'], [runtime, 'runtime'], alignmentFault),
    condition('AdminPostureBounded', runtime, 'runtime', (data) => adminFault(data, policy.desired)),
    condition('BreakGlassInactive', auth, 'auth', breakGlassFault),
    evidenceCondition([rights, auth, runtime], policy.requireEvidence),
  ];
  return {
    ...summary(conditions),
    conditions,
    effective: {
      authMode: effective(auth, 'authMode'),
      onboardingStatus: effective(rights, 'onboardingStatus'),
      sessionHandoff: effective(auth, 'sessionHandoff'),
      adminPosture: effective(runtime, 'adminPosture'),
    },
    validUntil: validUntil([rights, auth, runtime], now),
  };
}

/** The moment from which a fact counts for nothing. What was observed ahead of our clock gains nothing by that. */
export function staleAfter(fact: Fact): number {
  return Math.min(fact.observedAt, fact.receivedAt) + fact.ttlSeconds * 1_000;
}

function read(fact: Fact | undefined, owner: string | undefined, now: number): Read {
  return { fact, fault: wholeFault(fact, owner, now) };
}

function wholeFault(fact: Fact | undefined, owner: string | undefined, now: number): Reason {
  if (owner === undefined) return 'owner_missing';
  if (fact === undefined) return 'missing_input';
  if (fact.authorityId !== owner) return 'owner_changed';
  if (fact.inConflict) return 'owner_conflict';
  // By the second: it was never taken so; by the first: our own clock was set back since.
  if (!(fact.receivedAt <= now + SKEW_MS && fact.observedAt <= fact.receivedAt + SKEW_MS))
    return 'clock_skew';
  if (!(now < staleAfter(fact))) return 'stale_projection';
  return 'satisfied';
}

function currentFault(fact: Fact | undefined, generation: number): Reason {
  return fact?.generation === generation ? 'satisfied' : 'generation_behind';
}

type Data = Fact['data'];

function onboardingFault(
  { onboardingStatus: is }: Data,
  { onboardingStatus: desired }: SurfaceValues,
): Reason {
  if (!known('onboardingStatus', is) || !known('onboardingStatus', desired)) return 'unknown_value';
  for (const status of ['retired', 'suspended', 'planned'] as const) {
    if (is === status || desired === status) return `surface_${status}`;
  }
  if (is === 'onboarding') return 'onboarding_incomplete';
  return is === desired ? 'satisfied' : 'onboarding_differs';
}

function authFault({ authMode: is, normalized }: Data, { authMode: desired }: SurfaceValues): Reason {
  if (!known('authMode', is) || !known('authMode', desired)) return 'unknown_value';
  if (is === 'none' && desired !== 'none') return 'auth_not_enforced';
  if ((is === 'local' || is === 'host_local') && normalized !== true) return 'local_auth_needs_normalization';
  if (is === 'bridge' && normalized !== true) return 'bridge_auth_needs_normalization';
  return is === desired ? 'satisfied' : 'auth_mode_differs';
}

function sessionFault(auth: Data, runtime: Data, { sessionHandoff: desired }: SurfaceValues): Reason {
  const is = auth['sessionHandoff'];
  if (!known('sessionHandoff', is) || !known('sessionHandoff', desired)) return 'unknown_value';
  if (is === 'planned_not_live' || desired === 'planned_not_live') return 'session_planned_not_live';
  if (is !== 'none' && runtime['sessionMaterialized'] !== true) return 'session_shape_not_materialized';
  return is === desired ? 'satisfied' : 'session_handoff_differs';
}

function alignmentFault(rights: Data, runtime: Data): Reason {
  if (runtime['materialized'] !== true) return 'runtime_not_materialized';
  const holds = rights['rightsRevision'];
  const aligned = typeof holds === 'string' && holds !== '' && runtime['rightsRevision'] === holds;
  return aligned ? 'satisfied' : 'runtime_without_aligned_rights';
}

/** How much each lets an administrator do. */
const POWER = { none: 0, admin_capable: 1, superadmin: 2 } as const;

function adminFault({ adminPosture: is }: Data, { adminPosture: desired }: SurfaceValues): Reason {
  if (is === null || is === undefined) return 'admin_posture_undeclared';
  if (!known('adminPosture', is) || !known('adminPosture', desired)) return 'unknown_value';
  if (is === 'recovery_only') return 'recovery_only_admin';
  const allowed = desired === 'recovery_only' ? 0 : POWER[desired];
  if (POWER[is] > allowed) return 'admin_posture_exceeds';
  return is === desired ? 'satisfied' : 'admin_posture_differs';
}

function breakGlassFault({ breakGlass }: Data): Reason {
  if (breakGlass === true) return 'break_glass_active';
  return breakGlass === false ? 'satisfied' : 'unknown_value';
}

function known<F extends keyof SurfaceValues>(field: F, value: unknown): value is SurfaceValues[F] {
  return (surfaceVocabulary[field] as readonly unknown[]).includes(value);
}

// ---- conditions -------------------------------------------------------------------------------------------

function condition(
  type: ConditionType,
  { fact, fault }: Read,
  source: FactKind,
  judge: (data: Data) => Reason,
): Condition {
  const usable = fact !== undefined && fault === 'satisfied';
  return made(type, usable ? judge(fact.data) : fault, usable, { fact, source });
}

/** A condition that rests on two facts: where one of them cannot be used it is the one to look at. */
function pairCondition(
  type: ConditionType,
  first: readonly [Read, FactKind],
  second: readonly [Read, FactKind],
  judge: (first: Data, second: Data) => Reason,
): Condition {
  for (const [{ fact, fault }, source] of [first, second]) {
    if (fact === undefined || fault !== 'satisfied') return made(type, fault, false, { fact, source });
  }
  const [one, other] = [first[0].fact as Fact, second[0].fact as Fact];
  const at = staleAfter(one) <= staleAfter(other) ? first : second;
  return made(type, judge(one.data, other.data), true, { fact: at[0].fact, source: at[1] });
}

function tenantCondition(all: readonly Read[], tenants: readonly string[]): Condition {
  // A fact of another tenant is one too many, whatever else is wrong with it.
  const strange = all.findIndex(
    ({ fact }) => fact !== undefined && !(tenants as readonly unknown[]).includes(fact.data['tenant']),
  );
  if (strange !== -1) {
    return made('TenantMatches', 'tenant_mismatch', true, {
      fact: all[strange]?.fact,
      source: factKinds[strange],
    });
  }
  return worstOf('TenantMatches', all, () => 'satisfied');
}

function evidenceCondition(all: readonly Read[], required: boolean): Condition {
  const found = worstOf('EvidenceAttached', all, ({ hasEvidence }) =>
    hasEvidence ? 'satisfied' : 'evidence_missing',
  );
  return { ...found, gating: required };
}

/** A condition on each fact: the first that cannot be used decides, then the first that is judged badly. */
function worstOf(type: ConditionType, all: readonly Read[], judge: (fact: Fact) => Reason): Condition {
  const unusable = all.findIndex(({ fault }) => fault !== 'satisfied');
  if (unusable !== -1) {
    const { fact, fault } = all[unusable] as Read;
    return made(type, fault, false, { fact, source: factKinds[unusable] });
  }
  const facts = all.map(({ fact }) => fact as Fact);
  const bad = facts.findIndex((fact) => judge(fact) !== 'satisfied');
  const ends = facts.map(staleAfter);
  const at = bad === -1 ? ends.indexOf(Math.min(...ends)) : bad;
  const fact = facts[at] as Fact;
  return made(type, judge(fact), true, { fact, source: factKinds[at] });
}

function made(
  type: ConditionType,
  reason: Reason,
  certain: boolean,
  { fact, source }: { fact: Fact | undefined; source: FactKind | undefined },
): Condition {
  const status =
    !certain || reason === 'unknown_value' ? 'Unknown' : reason === 'satisfied' ? 'True' : 'False';
  return {
    type,
    status,
    reason,
    gating: true,
    source,
    observedGeneration: fact?.generation,
    observedAt: fact?.observedAt,
    staleAfter: fact && staleAfter(fact),
  };
}

function summary(conditions: readonly Condition[]): Pick<Projection, 'verdict' | 'reasons'> {
  let worst = 0;
  const found = new Set<Reason>();
  for (const { gating, status, reason } of conditions) {
    if (!gating || status === 'True') continue;
    worst = Math.max(worst, rankOf(reasons[reason].verdict));
    found.add(reason);
  }
  const ordered = [...found].sort((a, b) => rankOf(reasons[b].verdict) - rankOf(reasons[a].verdict));
  return { verdict: verdicts[worst] as Verdict, reasons: ordered };
}

function effective({ fact, fault }: Read, field: keyof SurfaceValues): EffectiveValue {
  const value = fact?.data[field];
  return { value: typeof value === 'string' ? value : undefined, stale: fault !== 'satisfied' };
}

function validUntil(all: readonly Read[], now: number): number {
  const ends = all.flatMap(({ fact, fault }) => (fact && fault === 'satisfied' ? [staleAfter(fact)] : []));
  return ends.length === 0 ? now + RESTLESS_MS : Math.min(...ends);
}
