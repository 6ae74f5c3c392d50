import { Choice, Flag, Id, ListOf, Text, Time } from '#http';
import { decisions, purposes } from './sign-off.store.ts';

export class SignOffRequest {
  @Text({
    max: 200,
    description: 'What you saw and sign: the digest of the plan, of the recovery, or freeze:<exceptionId>.',
  })
  digest: string;

  @Choice(decisions)
  decision: string;

  @Choice(purposes, { optional: true, description: 'The change itself where unsaid.' })
  purpose?: string;

  @Text({ min: 0, max: 2_000, optional: true })
  comment?: string;
}

export class SignOffView {
  @Id()
  id: string;

  @Choice(purposes)
  purpose: string;

  @Text()
  digest: string;

  @Choice(decisions)
  decision: string;

  @Id()
  userId: string;

  @Text({ min: 0, max: 2_000 })
  comment: string;

  @Time()
  at: string;

  @Flag({ description: 'Whether it is of the plan as it is now.' })
  current: boolean;

  @Flag({ description: 'Whether the person may sign off, now, and has no duty that is kept apart.' })
  counts: boolean;
}

export class SignOffList {
  @ListOf(() => SignOffView, { max: 500 })
  items: SignOffView[];
}
