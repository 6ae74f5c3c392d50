import { Choice, Id, ListOf, Text, Whole } from '#http';
import { RolloutReasonRequest } from '../lifecycle/rollout.contract.ts';

export class RepairRequest {
  @Choice(['done', 'not_done'], {
    description:
      'What became of the step that keeps the rollout: done, it is not run again; not_done, it did not happen, or was taken back, and is run again.',
  })
  answer: string;

  @Text({ max: 2_000, description: 'What you looked at.' })
  reason: string;
}

export class RollbackRequest extends RolloutReasonRequest {
  @ListOf('id', {
    min: 1,
    max: 100,
    optional: true,
    description: 'Only these of the targets that were touched; all of them where unsaid.',
  })
  targets?: string[];

  @Text({
    max: 400,
    optional: true,
    description:
      'Where steps of the way back are irreversible: typed, as data.confirmation of the refusal shows it.',
  })
  confirmation?: string;
}

export class VersionView {
  @Id()
  targetId: string;

  @Text()
  name: string;

  @Choice(['new', 'between', 'before'])
  holds: string;

  @Text({ nullable: true })
  version: string | null;
}

export class RecoveryView {
  @Choice(['answer', 'rerun', 'repair', 'rollback', 'none'])
  recommendation: string;

  @Text()
  reason: string;

  @Text({ nullable: true, max: 2_000 })
  question: string | null;

  @Whole({ nullable: true, description: 'The unit that keeps the rollout.' })
  unit: number | null;

  @ListOf('id', {
    max: 100,
    description:
      'The narrowest boundary: what a rollback has to take back at least. The other targets may stay.',
  })
  rollbackTargets: string[];

  @ListOf(() => VersionView, { max: 100, description: 'The boundary: which target holds which version.' })
  targets: VersionView[];
}
