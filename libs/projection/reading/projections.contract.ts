import { Choice, Flag, Id, ListOf, Nested, PageQuery, pageViewOf, Text, Time, Whole } from '#http';
import { type Reason, reasons } from '../verdict/reasons.ts';
import {
  conditionStatuses,
  conditionTypes,
  type FactKind,
  factKinds,
  type Verdict,
  verdicts,
} from '../verdict/vocabulary.ts';

const codes = Object.keys(reasons) as Reason[];

export class ProjectionsQuery extends PageQuery {
  @Choice(verdicts, { optional: true, description: 'Only those with this verdict.' })
  verdict?: Verdict;
}

export class DiffQuery {
  @Time()
  from: string;

  @Time()
  to: string;
}

export class WatchQuery {
  @Whole({
    min: 0,
    max: 3_600,
    optional: true,
    description: 'Seconds until the stream ends; 300 where unsaid.',
  })
  wait?: number;
}

export class PostureValueView {
  @Text({ description: 'What an administrator wants it to be.' })
  desired: string;

  @Text({ nullable: true, description: 'What its owner last said it is; null where it never did.' })
  effective: string | null;

  @Flag({ description: 'True: last known only. It counts for nothing.' })
  stale: boolean;
}

/** As a condition of Kubernetes. All are good when True; Unknown is not, and neither is one that is absent. */
export class ConditionView {
  @Choice(conditionTypes)
  type: string;

  @Choice(conditionStatuses)
  status: string;

  @Choice(codes, { description: 'See GET /projection/reasons.' })
  reason: Reason;

  @Text()
  message: string;

  @Choice(['gating', 'advisory'])
  severity: string;

  @Choice(factKinds, { nullable: true, description: 'The fact it rests on mostly.' })
  source: FactKind | null;

  @Whole({
    nullable: true,
    description: 'The generation of what is desired that this fact was told in view of.',
  })
  observedGeneration: number | null;

  @Time({ description: 'When its status became what it is.' })
  lastTransitionTime: string;

  @Time({ nullable: true })
  observedAt: string | null;

  @Time({ nullable: true })
  staleAfter: string | null;
}

export class ProjectionView {
  @Id()
  surfaceId: string;

  @Text()
  key: string;

  @Text()
  name: string;

  @Id()
  organizationId: string;

  @Choice(verdicts)
  verdict: Verdict;

  @ListOf(codes, { description: 'Why it is not ready, the worst first.' })
  reasons: Reason[];

  @Nested(() => PostureValueView)
  authMode: PostureValueView;

  @Nested(() => PostureValueView)
  onboardingStatus: PostureValueView;

  @Nested(() => PostureValueView)
  sessionHandoff: PostureValueView;

  @Nested(() => PostureValueView)
  adminPosture: PostureValueView;

  @ListOf(() => ConditionView)
  conditions: ConditionView[];

  @Whole({ description: 'Of what is desired.' })
  generation: number;

  @Time()
  evaluatedAt: string;

  @Time({ description: 'From then on nobody may act on this answer: a fact it rests on has expired.' })
  validUntil: string;
}

export const ProjectionPage = pageViewOf(ProjectionView);

export class DifferenceView {
  @Text()
  path: string;

  @Text({ nullable: true, min: 0 })
  from: string | null;

  @Text({ nullable: true, min: 0 })
  to: string | null;
}

export class CauseView {
  @Choice(['fact', 'surface', 'authority', 'expiry', 'observation'])
  type: string;

  @Choice(factKinds, { optional: true })
  kind?: FactKind;

  @Whole({ optional: true, description: 'Of the fact.' })
  revision?: number;

  @Id({ optional: true })
  authorityId?: string;

  @Text({ optional: true, description: 'The request in the audit log.' })
  requestId?: string;
}

export class TransitionView {
  @Id({ nullable: true, description: 'null: it has happened and is not recorded yet.' })
  id: string | null;

  @Id()
  surfaceId: string;

  @Time()
  at: string;

  @Nested(() => CauseView)
  cause: CauseView;

  @Choice(verdicts, { nullable: true, description: 'null at the first.' })
  fromVerdict: Verdict | null;

  @Choice(verdicts)
  verdict: Verdict;

  @ListOf(codes)
  reasons: Reason[];

  @ListOf(() => DifferenceView)
  changes: DifferenceView[];
}

export const TransitionPage = pageViewOf(TransitionView);

export class DiffView {
  @Id()
  surfaceId: string;

  @Time()
  from: string;

  @Choice(verdicts)
  fromVerdict: Verdict;

  @Time()
  to: string;

  @Choice(verdicts)
  toVerdict: Verdict;

  @ListOf(() => DifferenceView)
  changes: DifferenceView[];
}

export class ReasonView {
  @Choice(codes)
  code: Reason;

  @Choice(verdicts, { description: 'The best verdict that a gating condition with this reason allows.' })
  verdict: Verdict;

  @Text()
  meaning: string;

  @Choice(['nobody', 'owner of the fact', 'administrator', 'operator'], { description: 'Who must act.' })
  actor: string;

  @Text({ description: 'What to do.' })
  action: string;
}

export class ReasonsView {
  @ListOf(() => ReasonView)
  items: ReasonView[];
}
