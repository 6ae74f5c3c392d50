import { Anything, ListOf, Text, Time, Whole } from '#http';

export class LogProblemView {
  @Text({ description: 'What was found; docs/audit.md lists the kinds.' })
  kind: string;

  @Whole({ description: 'The position where it shows; of a fork the size that was signed.' })
  pos: number;

  @Time()
  foundAt: string;

  @Anything({ description: 'What tells more, by kind.' })
  detail: object;
}

export class ResolvedProblemView extends LogProblemView {
  @Time({ description: 'When all of the log was verified and this was not found again, or acknowledged.' })
  resolvedAt: string;
}

export class VerificationView {
  @Whole({
    description: 'Up to this position the log was last found to be as it was written; 0 where never.',
  })
  verifiedUpTo: number;

  @Time({ optional: true, description: 'When that was.' })
  at?: string;

  @ListOf(() => LogProblemView, { description: 'What stands, the earliest first, a hundred at most.' })
  problems: LogProblemView[];

  @ListOf(() => ResolvedProblemView, { description: 'What stood once, the latest first, a hundred at most.' })
  resolved: ResolvedProblemView[];
}
