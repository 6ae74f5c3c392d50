import { Flag, Id, ListOf, pageViewOf, Text, Time, Whole } from '#http';
import { effects } from '../lifecycle/plan.ts';
import { LONGEST_SECONDS } from './freeze-window.ts';
import { MOST_FREEZES } from './freeze.store.ts';

export class FreezeWindow {
  @Text({ max: 15, description: 'YYYYMMDDTHHMMSS, local time in timeZone.' })
  start: string;

  @Text({ max: 64, description: 'An IANA time zone.' })
  timeZone: string;

  @Text({ max: 500, optional: true, description: 'A recurrence rule (RFC 5545); once where unsaid.' })
  rule?: string;

  @Whole({ min: 60, max: LONGEST_SECONDS })
  durationSeconds: number;

  @ListOf('id', { max: 100, optional: true, description: 'Only these targets; all where unsaid.' })
  targets?: string[];

  @ListOf('text', { max: 20, itemMax: 100, optional: true, description: 'Only these environments.' })
  environments?: string[];

  @ListOf(effects, { max: 5, optional: true, description: 'Only plans with a step of these effects.' })
  effects?: string[];
}

export class FreezeRequest extends FreezeWindow {
  @Text({ max: 100 })
  name: string;
}

export class FreezeView {
  @Id()
  id: string;

  @Text({ max: 100 })
  name: string;

  @Text()
  start: string;

  @Text()
  timeZone: string;

  @Text({ nullable: true })
  rule: string | null;

  @Whole()
  durationSeconds: number;

  @ListOf('id', { max: 100 })
  targets: string[];

  @ListOf('text', { max: 20 })
  environments: string[];

  @ListOf(effects, { max: 5 })
  effects: string[];

  @Flag({ description: 'Whether it is in force now; true also where that cannot be computed.' })
  active: boolean;

  @Time({ nullable: true, description: 'When the occurrence that is in force ends.' })
  until: string | null;
}

export class FreezeList {
  @ListOf(() => FreezeView, { max: MOST_FREEZES })
  items: FreezeView[];
}

export class ExceptionRequest {
  @Id()
  rolloutId: string;

  @Text({ max: 2_000 })
  reason: string;

  @Time({ description: 'An exception always ends, within a day.' })
  expiresAt: string;
}

export class ExceptionView {
  @Id()
  id: string;

  @Text({ description: 'What the quorum signs, with purpose freeze.' })
  sign: string;

  @Id()
  rolloutId: string;

  @Text({ description: 'Of the plan it is for; of no other.' })
  digest: string;

  @Text({ max: 2_000 })
  reason: string;

  @Id({ description: 'Who does not sign it.' })
  askedBy: string;

  @Time()
  expiresAt: string;
}

export class ExceptionPage extends pageViewOf(ExceptionView) {}
