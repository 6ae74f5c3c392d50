import { Injectable } from '@nestjs/common';
import { Clock } from '#kernel';
import { type ProjectionView, rankOf, tell, type Verdict, verdicts } from '#projection';
import { SystemState } from '../state/system-state.ts';
import type { OwnSurfaceKey } from './own-surfaces.ts';
import type {
  FamilyReadinessView,
  PlatformSummaryView,
  ServicesView,
  ServiceView,
} from './posture.contract.ts';
import { SelfPosture } from './self-posture.ts';

/** Which surfaces each family of readiness rests on, and which it only points out. */
const families = {
  observability: { gating: ['rest', 'worker', 'database'], advisory: ['sinks'] },
  security: { gating: ['rest', 'secrets', 'audit-log'], advisory: ['identity-providers'] },
  recovery: { gating: ['database', 'backup'], advisory: ['secrets'] },
  signoff: { gating: ['rollouts', 'audit-log'], advisory: ['console', 'gitea-intake'] },
  docs: { gating: ['rest'], advisory: ['console', 'mcp'] },
} as const satisfies Record<string, Record<'gating' | 'advisory', readonly OwnSurfaceKey[]>>;

export type Family = keyof typeof families;

interface Posture {
  readonly views: ReadonlyMap<string, ProjectionView>;
  readonly evaluatedAt: string;
  readonly validUntil: string;
}

/** Readings of what the deployment is: no change, no secret, no row of any organization. */
@Injectable()
export class Summaries {
  constructor(
    private readonly posture: SelfPosture,
    private readonly state: SystemState,
    private readonly clock: Clock,
  ) {}

  async services(): Promise<ServicesView> {
    const { views, evaluatedAt, validUntil } = await this.#posture();
    return { items: [...views.values()].map(serviceView), evaluatedAt, validUntil };
  }

  async family(family: Family): Promise<FamilyReadinessView> {
    const posture = await this.#posture();
    const items = (['gating', 'advisory'] as const).flatMap((severity) =>
      families[family][severity].flatMap((key) => {
        const view = posture.views.get(key);
        return view ? [{ ...serviceView(view), severity }] : [];
      }),
    );
    const { evaluatedAt, validUntil } = posture;
    return { family, verdict: verdictOf(family, posture), items, evaluatedAt, validUntil };
  }

  async summary(): Promise<PlatformSummaryView> {
    const posture = await this.#posture();
    const reasons = (await this.state.readOnlyReasons()).map((one) => ({ ...one }));
    const count = (verdict: Verdict): number =>
      [...posture.views.values()].filter((view) => view.verdict === verdict).length;
    return {
      state: reasons.length > 0 ? 'read-only' : 'operational',
      reasons,
      services: {
        ready: count('ready'),
        'followthrough-required': count('followthrough-required'),
        'review-required': count('review-required'),
        blocked: count('blocked'),
      },
      families: (Object.keys(families) as Family[]).map((family) => ({
        family,
        verdict: verdictOf(family, posture),
      })),
      evaluatedAt: posture.evaluatedAt,
      validUntil: posture.validUntil,
    };
  }

  async #posture(): Promise<Posture> {
    const own = await this.posture.all();
    const now = this.clock.now();
    const views = new Map(
      own.map((surface) => [surface.key, tell({ ...surface, recorded: undefined }, now.getTime()).view]),
    );
    const ends = [...views.values()].map(({ validUntil }) => validUntil).sort();
    return { views, evaluatedAt: now.toISOString(), validUntil: ends[0] ?? now.toISOString() };
  }
}

/** The worst of what it rests on; of what is not there nothing is known, which blocks. */
function verdictOf(family: Family, { views }: Posture): Verdict {
  const ranks = families[family].gating.map((key) => rankOf(views.get(key)?.verdict ?? 'blocked'));
  return verdicts[Math.max(...ranks)] ?? 'blocked';
}

function serviceView({ key, name, verdict, reasons, onboardingStatus }: ProjectionView): ServiceView {
  return { key, name, verdict, reasons, onboardingStatus: onboardingStatus.effective };
}
