import { Choice, Id, PageQuery, pageViewOf, Text, Time, Whole } from '#http';
import { levels, treatments } from './risk-level.ts';

export const riskStatuses = ['open', 'accepted', 'expired', 'closed'] as const;

export class RiskQuery extends PageQuery {
  @Id({ optional: true })
  rolloutId?: string;

  @Choice(levels, { optional: true })
  level?: string;

  @Choice(treatments, { optional: true })
  treatment?: string;

  @Choice(riskStatuses, { optional: true })
  status?: string;
}

export class RateRequest {
  @Text({ max: 2_000 })
  statement: string;

  @Whole({ min: 1, max: 5, description: 'What is left of it once it was treated.' })
  likelihood: number;

  @Whole({ min: 1, max: 5 })
  consequence: number;

  @Choice(treatments)
  treatment: string;

  @Text({ max: 4_000 })
  rationale: string;

  @Text({ min: 0, max: 2_000, optional: true })
  conditions?: string;

  @Time({ optional: true })
  reviewAt?: string;
}

export class RiskRequest extends RateRequest {
  @Id({ optional: true })
  rolloutId?: string;

  @Whole({ min: 1, max: 5, optional: true, description: 'Before it was treated; as after where unsaid.' })
  likelihoodBefore?: number;

  @Whole({ min: 1, max: 5, optional: true })
  consequenceBefore?: number;
}

export class AcceptRequest {
  @Time({ description: 'An acceptance always ends.' })
  validUntil: string;

  @Text({ min: 0, max: 2_000, optional: true })
  conditions?: string;
}

export class CloseRequest {
  @Text({ max: 2_000 })
  reason: string;
}

export class RiskView {
  @Id()
  id: string;

  @Id({ nullable: true })
  rolloutId: string | null;

  @Text({ max: 2_000 })
  statement: string;

  @Whole()
  likelihoodBefore: number;

  @Whole()
  consequenceBefore: number;

  @Choice(levels)
  levelBefore: string;

  @Whole()
  likelihood: number;

  @Whole()
  consequence: number;

  @Choice(levels)
  level: string;

  @Choice(treatments)
  treatment: string;

  @Text({ max: 4_000 })
  rationale: string;

  @Text({ min: 0, max: 2_000 })
  conditions: string;

  @Choice(riskStatuses)
  status: string;

  @Id()
  raisedBy: string;

  @Time({ nullable: true })
  reviewAt: string | null;

  @Id({ nullable: true })
  acceptedBy: string | null;

  @Text({ nullable: true, description: 'The role by whose authority it was accepted.' })
  acceptedAs: string | null;

  @Text({ nullable: true, description: 'The plan it was accepted for.' })
  acceptedDigest: string | null;

  @Time({ nullable: true })
  acceptedAt: string | null;

  @Time({ nullable: true })
  validUntil: string | null;

  @Time({ nullable: true })
  closedAt: string | null;

  @Text({ nullable: true })
  closedReason: string | null;

  @Time()
  createdAt: string;
}

export class RiskPage extends pageViewOf(RiskView) {}
