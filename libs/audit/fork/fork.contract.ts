import { Id, pageViewOf, Text, Time, Whole } from '#http';

export class AcknowledgeForkRequest {
  @Text({
    max: 500,
    description: 'What happened, such as which backup was restored and why. Name no person.',
  })
  reason: string;
}

export class ForkView {
  @Id()
  id: string;

  @Id()
  organizationId: string;

  @Whole({ description: 'The size of the log as it was published.' })
  oldSize: number;

  @Text({ description: 'Hex.' })
  oldRoot: string;

  @Whole({ description: 'Its size when it was found not to continue that.' })
  newSize: number;

  @Text({ description: 'Hex; zeros where the log does not agree with itself either.' })
  newRoot: string;

  @Text({ max: 4_000, description: 'Both, as a signed note (c2sp.org/signed-note).' })
  note: string;

  @Time()
  foundAt: string;

  @Time({ optional: true })
  acknowledgedAt?: string;

  @Id({ optional: true })
  acknowledgedBy?: string;

  @Text({ max: 500, optional: true })
  reason?: string;
}

export const ForkPage = pageViewOf(ForkView);
