import { Anything, Choice, Flag, Id, ListOf, Nested, pageViewOf, Slug, Text, Time, Whole } from '#http';
import { duties } from '../signoff/duties.ts';
import { gateKinds } from './policy-rules.ts';

export class SlotField {
  @Whole({ min: 1, max: 10, description: 'How many different people.' })
  count: number;

  @Text({ max: 100, optional: true, description: 'The name of the role they hold; any where unsaid.' })
  role?: string;
}

export class AlternativeField {
  @ListOf(() => SlotField, { min: 1, max: 8, description: 'All of these: a person fills one seat at most.' })
  allOf: SlotField[];
}

export class QuorumField {
  @ListOf(() => AlternativeField, { min: 1, max: 8, description: 'Any one of these.' })
  anyOf: AlternativeField[];
}

export class PairField {
  @Choice(duties)
  one: string;

  @Choice(duties)
  other: string;
}

export class GateField {
  @Slug()
  name: string;

  @Choice(gateKinds)
  kind: string;

  @Flag({ optional: true, description: 'Evaluate and show it, and let it block nothing.' })
  dryRun?: boolean;

  @Whole({
    min: 1,
    max: 31_536_000,
    optional: true,
    description: 'How old what passes may be; a day where unsaid.',
  })
  maxAgeSeconds?: number;

  @Text({ max: 300, optional: true, description: 'Of an evidence gate: the predicate type it asks for.' })
  predicateType?: string;

  @Text({ max: 100, optional: true, description: 'Of a check: the command.' })
  command?: string;

  @Anything({ maxBytes: 4_096, optional: true, description: 'Of a check: the arguments of the command.' })
  arguments?: Record<string, unknown>;

  @Text({ max: 100, optional: true, description: 'Of a manual gate: the role of who says pass.' })
  role?: string;

  @Id({ optional: true, description: 'Of an external gate: the hook whose call-back counts.' })
  hookId?: string;
}

export class RolloutPolicyRequest {
  @Text({ max: 100 })
  name: string;

  @Nested(() => QuorumField, { description: 'Who must sign off.' })
  quorum: QuorumField;

  @Nested(() => QuorumField, {
    optional: true,
    description: 'For irreversible steps; must ask for more people.',
  })
  irreversibleQuorum?: QuorumField;

  @Nested(() => QuorumField, { optional: true, description: 'For a rollback within the window of the plan.' })
  rollbackQuorum?: QuorumField;

  @Nested(() => QuorumField, { optional: true, description: 'For an exception from a freeze.' })
  freezeQuorum?: QuorumField;

  @Flag({ optional: true, description: 'Whether one denial ends a review.' })
  consensus?: boolean;

  @Whole({ min: 1, max: 20, optional: true, description: 'How many denials do, otherwise.' })
  denials?: number;

  @ListOf(() => PairField, {
    max: 10,
    optional: true,
    description: 'Duties that no one person may have both of; author and approver are always apart.',
  })
  separate?: PairField[];

  @ListOf(() => GateField, { max: 20, optional: true })
  gates?: GateField[];

  @Whole({ min: 60, max: 31_536_000, optional: true })
  reviewSeconds?: number;

  @Whole({ min: 60, max: 31_536_000, optional: true })
  approvalSeconds?: number;

  @Whole({ min: 60, max: 31_536_000, optional: true })
  backupSeconds?: number;

  @Whole({ min: 60, max: 86_400, optional: true })
  breakGlassSeconds?: number;
}

export class RolloutPolicyView {
  @Id()
  id: string;

  @Text({ max: 100 })
  name: string;

  @Anything({ description: 'The rules, with what was left unsaid.' })
  rules: object;

  @Whole()
  version: number;

  @Time()
  createdAt: string;

  @Time()
  updatedAt: string;
}

export class RolloutPolicyPage extends pageViewOf(RolloutPolicyView) {}

export class HookRequest {
  @Text({ max: 100 })
  name: string;
}

export class HookView {
  @Id()
  id: string;

  @Text({ max: 100 })
  name: string;

  @Time()
  createdAt: string;

  @Time({ nullable: true })
  revokedAt: string | null;
}

export class NewHookView extends HookView {
  @Text({ description: 'The secret that call-backs are signed with. Shown once.' })
  secret: string;

  @Text({ max: 2_000, description: 'Where the external gate calls back.' })
  path: string;
}

export class HookPage extends pageViewOf(HookView) {}

export class PersonRequest {
  @Id()
  userId: string;

  @Id({ description: 'An account of the same person.' })
  sameAs: string;
}

export class PersonLink {
  @Id()
  userId: string;

  @Id()
  sameAs: string;
}

export class PersonList {
  @ListOf(() => PersonLink, { max: 1_000 })
  items: PersonLink[];
}
