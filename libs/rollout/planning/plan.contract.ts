import { Anything, Choice, Flag, Id, ListOf, Nested, Text, Whole } from '#http';
import { effects } from '../lifecycle/plan.ts';

export class StepField {
  @Text({ max: 100 })
  name: string;

  @Text({ max: 100, description: 'A command that exists: noop.record, wait, http.call.' })
  command: string;

  @Anything({ maxBytes: 16_384, optional: true })
  arguments?: Record<string, unknown>;

  @Choice(effects, {
    optional: true,
    description: 'What it does at worst; the graver of this and of what the command is known to do counts.',
  })
  effect?: string;

  @Flag({
    optional: true,
    description: 'Whether it may be repeated after a crash; as the command says where unsaid.',
  })
  idempotent?: boolean;

  @Flag({ optional: true })
  irreversible?: boolean;
}

export class WaveField {
  @ListOf('id', { min: 1, max: 100 })
  targets: string[];

  @Whole({ max: 86_400, optional: true, description: 'Seconds between the last step and the checks.' })
  bakeSeconds?: number;

  @ListOf(() => StepField, { max: 20, optional: true })
  checks?: StepField[];

  @Whole({ max: 20, optional: true, description: 'How many failures in a row a check may have.' })
  failureLimit?: number;
}

export class ArtifactField {
  @Text({ max: 200 })
  name: string;

  @Text({ max: 200, description: 'sha256:<64 hex>' })
  digest: string;
}

export class RecoveryField {
  @Choice(['rollback', 'roll_forward', 'irreversible'])
  kind: string;

  @ListOf(() => StepField, { max: 50, optional: true, description: 'Done to each target that was touched.' })
  steps?: StepField[];

  @Whole({
    max: 31_536_000,
    optional: true,
    description: 'For how long after completion the smaller quorum suffices.',
  })
  windowSeconds?: number;
}

export class SourceField {
  @Id({ description: 'The hook by which Gitea is read.' })
  giteaHookId: string;

  @Text({ max: 201, description: 'owner/name' })
  repository: string;

  @Text({ max: 300, description: 'refs/heads/…, refs/tags/… or refs/pull/<number>/head' })
  ref: string;

  @Text({ min: 40, max: 64, description: 'The commit, hexadecimal. The ref must stand there.' })
  commit: string;
}

export class PlanRequest {
  @Nested(() => SourceField, {
    optional: true,
    description: 'The commit it is of; the one that the rollout was opened for where unsaid.',
  })
  source?: SourceField;

  @Text({ max: 100 })
  environment: string;

  @ListOf('id', { min: 1, max: 100 })
  targets: string[];

  @ListOf(() => StepField, { min: 1, max: 50, description: 'Done to each target, in this order.' })
  steps: StepField[];

  @ListOf(() => ArtifactField, { max: 50, optional: true })
  artifacts?: ArtifactField[];

  @ListOf('text', {
    max: 50,
    itemMax: 512,
    optional: true,
    description: 'Paths of secrets; their versions are signed.',
  })
  secrets?: string[];

  @ListOf(() => WaveField, { max: 50, optional: true, description: 'All targets in one wave where unsaid.' })
  waves?: WaveField[];

  @Nested(() => RecoveryField)
  recovery: RecoveryField;
}
