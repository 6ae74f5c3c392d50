/** Levels of residual risk: likelihood by consequence, both 1 to 5, and who may accept which. */

export const levels = ['low', 'moderate', 'high', 'critical'] as const;
export type Level = (typeof levels)[number];

export const treatments = ['accept', 'mitigate', 'avoid', 'transfer'] as const;
export type Treatment = (typeof treatments)[number];

/** The product of both, in bands: the gravest consequence is never low. */
export function levelOf(likelihood: number, consequence: number): Level {
  const score = likelihood * consequence;
  if (score >= 20) return 'critical';
  if (score >= 12) return 'high';
  return score >= 5 ? 'moderate' : 'low';
}

const LEVEL_RANK: Readonly<Record<Level, number>> = { low: 0, moderate: 1, high: 2, critical: 3 };

export const isLower = (one: Level, other: Level): boolean => LEVEL_RANK[one] < LEVEL_RANK[other];

/** By built-in role. Custom roles have no rank: what they may is made of single permissions, not of authority. */
const ROLE_RANK: Readonly<Record<string, number>> = { operator: 1, admin: 2, owner: 3 };

/** May the holder of this built-in role accept a risk of this level? Nobody may accept a critical one. */
export function mayAccept(role: string | null, level: Level): boolean {
  return role !== null && (ROLE_RANK[role] ?? -1) > LEVEL_RANK[level];
}

export interface Risk {
  readonly level: Level;
  readonly treatment: Treatment;
  /** Milliseconds; undefined where nobody accepted it. */
  readonly acceptedUntil: number | undefined;
  /** Whether who accepted it has the authority now. */
  readonly authority: boolean;
  /** The acceptance is for another plan. */
  readonly otherDigest: boolean;
  readonly closed: boolean;
}

/** Why a risk keeps a rollout back; undefined where it does not. */
export function riskBlocks(risk: Risk, now: number): string | undefined {
  if (risk.closed) return undefined;
  if (risk.level === 'critical') return 'critical_risk';
  if (risk.acceptedUntil === undefined) return risk.level === 'low' ? undefined : 'risk_not_accepted';
  if (!risk.authority) return 'authority_lost';
  if (risk.otherDigest) return 'risk_accepted_for_another_plan';
  return now < risk.acceptedUntil ? undefined : 'acceptance_expired';
}
