import { Choice, Flag, Id, ListOf, Text, Time } from '#http';
import { verdicts } from './gate.ts';

export class GateView {
  @Text()
  name: string;

  @Text()
  kind: string;

  @Choice(verdicts)
  verdict: string;

  @Text()
  reason: string;

  @Flag({ description: 'It is shown and does not block.' })
  dryRun: boolean;

  @Time({ optional: true, description: 'When the pass ends by itself.' })
  until?: string;
}

export class GateList {
  @Flag({ description: 'Whether every gate that blocks says pass.' })
  open: boolean;

  @ListOf(() => GateView, { max: 100 })
  items: GateView[];
}

const given = ['pass', 'fail', 'inconclusive'] as const;

export class ManualRequest {
  @Choice(given)
  verdict: string;

  @Text({ max: 200, description: 'The digest of the plan that you looked at.' })
  digest: string;

  @Text({ max: 2_000 })
  comment: string;
}

/** What the signed body of a call-back holds. */
export class CallbackRequest {
  @Id()
  rolloutId: string;

  @Text({ max: 63 })
  gate: string;

  @Text({ max: 200 })
  digest: string;

  @Choice(given)
  verdict: string;

  @Time()
  observedAt: string;

  @Text({ min: 16, max: 100, description: 'Another one in each call-back.' })
  nonce: string;
}
