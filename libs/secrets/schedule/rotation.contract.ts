import { Choice, Id, ListOf, Nested, Text, Time, Whole } from '#http';
import { type Alphabet, alphabets } from './generated-value.ts';

const RUN_STATES = ['started', 'rotated', 'ended', 'failed'] as const;

export class RotationHook {
  @Text({ max: 2_000, description: 'https://…; http:// only into networks that the operator allows.' })
  url: string;

  @Text({ max: 400, description: 'secret://… of the key that signs (Standard Webhooks).' })
  hmacKey: string;
}

export class SetRotationRequest {
  @Text({ max: 64, description: 'The field that gets a new value; the others stay as they are.' })
  field: string;

  @Whole({ min: 300, max: 315_360_000, optional: true, description: 'By hand only where absent.' })
  everySeconds?: number;

  @Whole({
    min: 0,
    max: 31_536_000,
    description: 'How long the version before stays valid beside the new one.',
  })
  overlapSeconds: number;

  @Whole({ min: 16, max: 512, optional: true, description: 'Characters of the value; 40 where absent.' })
  length?: number;

  @Choice(alphabets, { optional: true, description: 'alphanumeric where absent.' })
  alphabet?: Alphabet;

  @Nested(() => RotationHook, {
    optional: true,
    description: 'Asked before, and told after; nobody where absent.',
  })
  hook?: RotationHook;
}

export class RotationRunView {
  @Id()
  id: string;

  @Choice(RUN_STATES, { description: 'rotated: the version before is still valid.' })
  state: (typeof RUN_STATES)[number];

  @Time()
  startedAt: string;

  @Whole({ optional: true })
  fromVersion?: number;

  @Whole({ optional: true })
  toVersion?: number;

  @Time({ optional: true, description: 'When the version before is deleted.' })
  retireAt?: string;

  @Time({ optional: true })
  endedAt?: string;

  @Text({ optional: true, description: 'Why it failed.' })
  failure?: string;
}

export class RotationView {
  @Text()
  field: string;

  @Whole({ optional: true })
  everySeconds?: number;

  @Whole()
  overlapSeconds: number;

  @Whole()
  length: number;

  @Choice(alphabets)
  alphabet: Alphabet;

  @Nested(() => RotationHook, { optional: true })
  hook?: RotationHook;

  @Time({ optional: true })
  nextAt?: string;

  @ListOf(() => RotationRunView, { description: 'Newest first, at most 20.' })
  runs: RotationRunView[];
}
