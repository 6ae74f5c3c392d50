import { Choice, Id, pageViewOf, Text, Time, Whole } from '#http';
import { targetKinds } from './target.store.ts';

export class TargetRequest {
  @Text({ max: 200 })
  name: string;

  @Choice(targetKinds)
  kind: string;

  @Text({ max: 100, description: 'Such as production.' })
  environment: string;

  @Id({ optional: true, description: 'The projected surface whose posture a gate asks for.' })
  surfaceId?: string;
}

export class ReportRequest {
  @Text({ min: 8, max: 200, description: 'A digest of what the inventory sees of the target.' })
  state: string;

  @Time()
  observedAt: string;

  @Whole({ min: 1, max: 86_400, description: 'How long that holds; what is older is not known.' })
  ttlSeconds: number;
}

export class TargetView {
  @Id()
  id: string;

  @Text({ max: 200 })
  name: string;

  @Choice(targetKinds)
  kind: string;

  @Text({ max: 100 })
  environment: string;

  @Id({ nullable: true })
  surfaceId: string | null;

  @Text({ max: 200, nullable: true })
  state: string | null;

  @Time({ nullable: true })
  observedAt: string | null;

  @Whole({ nullable: true })
  ttlSeconds: number | null;

  @Text({
    nullable: true,
    description: 'The digest of the rollout whose version it holds; null between two.',
  })
  version: string | null;

  @Id({ nullable: true, description: 'The rollout that holds it.' })
  lockedBy: string | null;

  @Time()
  createdAt: string;
}

export class TargetPage extends pageViewOf(TargetView) {}
