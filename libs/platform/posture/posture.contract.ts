import { Choice, ListOf, Nested, Text, Time, Whole } from '#http';
import { reasons, type Verdict, verdicts } from '#projection';
import { ReadOnlyReasonView } from '../state/state.contract.ts';

const codes = Object.keys(reasons);

export class ServiceView {
  @Text()
  key: string;

  @Text()
  name: string;

  @Choice(verdicts)
  verdict: Verdict;

  @ListOf(codes, { description: 'See GET /projection/reasons.' })
  reasons: string[];

  @Text({ nullable: true, description: 'planned: it is not built, or not configured.' })
  onboardingStatus: string | null;
}

export class ServicesView {
  @ListOf(() => ServiceView)
  items: ServiceView[];

  @Time()
  evaluatedAt: string;

  @Time({ description: 'From then on nobody may act on this answer.' })
  validUntil: string;
}

export class FamilyServiceView extends ServiceView {
  @Choice(['gating', 'advisory'])
  severity: string;
}

export class FamilyReadinessView {
  @Text()
  family: string;

  @Choice(verdicts, { description: 'The worst of the gating ones.' })
  verdict: Verdict;

  @ListOf(() => FamilyServiceView)
  items: FamilyServiceView[];

  @Time()
  evaluatedAt: string;

  @Time({ description: 'From then on nobody may act on this answer.' })
  validUntil: string;
}

export class FamilyView {
  @Text()
  family: string;

  @Choice(verdicts)
  verdict: Verdict;
}

export class VerdictCountsView {
  @Whole()
  ready: number;

  @Whole()
  'followthrough-required': number;

  @Whole()
  'review-required': number;

  @Whole()
  blocked: number;
}

export class PlatformSummaryView {
  @Choice(['operational', 'read-only'])
  state: string;

  @ListOf(() => ReadOnlyReasonView)
  reasons: ReadOnlyReasonView[];

  @Nested(() => VerdictCountsView)
  services: VerdictCountsView;

  @ListOf(() => FamilyView)
  families: FamilyView[];

  @Time()
  evaluatedAt: string;

  @Time()
  validUntil: string;
}
