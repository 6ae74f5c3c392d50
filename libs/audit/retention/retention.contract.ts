import { Id, Text, Time, Whole } from '#http';

const DAYS = { min: 30, max: 3650, nullable: true, description: 'Days; null is for ever.' } as const;

export class RetentionRequest {
  @Whole(DAYS)
  retentionDays: number | null;
}

export class RetentionView {
  @Whole(DAYS)
  retentionDays: number | null;

  @Whole({ description: 'The events up to this position are gone; 0 where all are there.' })
  prunedUpTo: number;
}

export class HoldRequest {
  @Text({ max: 500, description: 'Why: a matter, a file number. It stands in the log; name no person.' })
  reason: string;
}

export class HoldView {
  @Text({ max: 500 })
  reason: string;

  @Id()
  placedBy: string;

  @Time()
  placedAt: string;
}
