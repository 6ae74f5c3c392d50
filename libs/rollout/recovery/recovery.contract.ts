import { Choice, Id, ListOf, Text, Whole } from '#http';

export class RepairRequest {
  @Choice(['done', 'not_done'], {
    description:
      'What became of the step that keeps the rollout: done, it is not run again; not_done, it did not happen, or was taken back, and is run again.',
  })
  answer: string;

  @Text({ max: 2_000, description: 'What you looked at.' })
  reason: string;
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

  @ListOf(() => VersionView, { max: 100, description: 'The boundary: which target holds which version.' })
  targets: VersionView[];
}
