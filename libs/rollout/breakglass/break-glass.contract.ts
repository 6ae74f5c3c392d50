import { Choice, Flag, Id, ListOf, pageViewOf, Text, Time, Whole } from '#http';

export class BreakGlassRequest {
  @Text({ max: 200, description: 'The digest of the plan that you saw.' })
  digest: string;

  @Text({ min: 10, max: 4_000 })
  justification: string;

  @Text({ max: 200, description: 'The incident it is for.' })
  incident: string;

  @Whole({ min: 60, max: 86_400, optional: true, description: 'As long as the policy allows where unsaid.' })
  seconds?: number;
}

export class ReviewRequest {
  @Text({ min: 10, max: 4_000 })
  review: string;
}

export class BreakGlassView {
  @Id()
  id: string;

  @Id()
  rolloutId: string;

  @Text()
  digest: string;

  @Id()
  openedBy: string;

  @Text({ max: 4_000 })
  justification: string;

  @Text()
  incident: string;

  @Flag({ description: 'Whether a gate was closed: it is on record also where none was.' })
  needed: boolean;

  @ListOf('text', {
    max: 101,
    description: 'What could not be read then, and was gone past: source, target:<id>.',
  })
  unread: string[];

  @Time()
  openedAt: string;

  @Time()
  endsAt: string;

  @Time()
  reviewDueAt: string;

  @Choice(['due', 'overdue', 'done'])
  reviewState: string;

  @Id({ nullable: true })
  reviewedBy: string | null;

  @Text({ nullable: true, max: 4_000 })
  review: string | null;
}

export class BreakGlassPage extends pageViewOf(BreakGlassView) {}
