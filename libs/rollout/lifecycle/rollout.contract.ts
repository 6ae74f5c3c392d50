import { Anything, Choice, Flag, Id, ListOf, Nested, PageQuery, pageViewOf, Text, Time, Whole } from '#http';
import { states } from './state.ts';

export class RolloutQuery extends PageQuery {
  @Choice(states, { optional: true })
  state?: string;
}

export class RolloutRequest {
  @Text({ max: 200 })
  title: string;

  @Text({ max: 4_000, optional: true })
  description?: string;

  @Id()
  policyId: string;

  @Id({
    optional: true,
    description: 'The rollout that this one takes the place of: it ends where nothing was done.',
  })
  supersedes?: string;
}

export class RolloutReasonRequest {
  @Text({ max: 1_000 })
  reason: string;
}

export class RolloutSourceView {
  @Id()
  giteaHookId: string;

  @Text({ description: 'https://gitea.example/owner/name' })
  repository: string;

  @Text({ description: 'refs/heads/…, refs/tags/… or refs/pull/<number>/head' })
  ref: string;

  @Text({ description: 'The commit, hexadecimal.' })
  commit: string;

  @Time({ nullable: true, description: 'When Gitea said that it stands there no longer.' })
  goneAt: string | null;
}

export class RolloutView {
  @Id()
  id: string;

  @Text({ max: 200 })
  title: string;

  @Text({ min: 0, max: 4_000 })
  description: string;

  @Choice(states)
  state: string;

  @Text({ nullable: true, description: 'Why it is suspended, failed or ended.' })
  reason: string | null;

  @Id()
  authorId: string;

  @Id()
  policyId: string;

  @Id({ nullable: true, description: 'Who wrote the plan as it is: an author of it too.' })
  plannerId: string | null;

  @Id({ nullable: true, description: 'The template that it was opened by.' })
  templateId: string | null;

  @Nested(() => RolloutSourceView, { nullable: true, description: 'The commit it is of.' })
  source: RolloutSourceView | null;

  @Text({ nullable: true, description: 'Of the sealed plan: what people sign.' })
  digest: string | null;

  @Text({ nullable: true, description: 'Of the way back: what a rehearsal and a rollback are of.' })
  recoveryDigest: string | null;

  @Id({ nullable: true })
  executorId: string | null;

  @Id({ nullable: true })
  verifierId: string | null;

  @Id({ nullable: true })
  supersedes: string | null;

  @Time({ nullable: true })
  begunAt: string | null;

  @Time({ nullable: true })
  completedAt: string | null;

  @Time({ nullable: true })
  expiresAt: string | null;

  @Time()
  createdAt: string;

  @Time()
  updatedAt: string;
}

export class RolloutPage extends pageViewOf(RolloutView) {}

export class RolloutDetailView extends RolloutView {
  @Anything({ maxBytes: 1_000_000, nullable: true })
  plan: object | null;

  @Flag({ description: 'Whether any step of it cannot be taken back.' })
  irreversible: boolean;

  @Text({ nullable: true, description: 'What has to be typed to let irreversible steps run.' })
  confirmation: string | null;
}

export class MoveView {
  @Text()
  move: string;

  @Choice(states)
  from: string;

  @Choice(states)
  to: string;

  @Text({ nullable: true })
  reason: string | null;

  @Text({ nullable: true })
  digest: string | null;

  @Text()
  actorType: string;

  @Text()
  actorId: string;

  @Time()
  at: string;
}

export class MoveList {
  @ListOf(() => MoveView, { max: 1_000 })
  items: MoveView[];
}

export class RolloutStepView {
  @Choice(['apply', 'recovery'])
  phase: string;

  @Whole()
  unit: number;

  @Whole()
  wave: number;

  @Id({ nullable: true })
  targetId: string | null;

  @Text()
  name: string;

  @Text()
  command: string;

  @Choice(['intended', 'succeeded', 'failed', 'unknown'])
  state: string;

  @Text()
  key: string;

  @Whole()
  runs: number;

  @Text({ nullable: true, description: 'What an operator has to find out.' })
  question: string | null;

  @Text({ nullable: true })
  code: string | null;

  @Text({ nullable: true })
  detail: string | null;

  @Time()
  intendedAt: string;

  @Time({ nullable: true })
  endedAt: string | null;
}

export class StepList {
  @ListOf(() => RolloutStepView, { max: 10_000 })
  items: RolloutStepView[];
}
