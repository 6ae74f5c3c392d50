import { Anything, Flag, Id, Nested, pageViewOf, Text, Time } from '#http';
import { PlanRequest } from '../planning/plan.contract.ts';

const REPOSITORY = { max: 201, description: 'owner/name' } as const;
const REF = {
  max: 300,
  description:
    'A pattern in which * stands for any characters: refs/heads/main, refs/tags/v*, refs/pull/*/head.',
} as const;
const SEALS = {
  description: 'Seal the plan as well where it can be; otherwise a draft waits for a person.',
} as const;

export class RolloutTemplateRequest {
  @Text({ max: 100 })
  name: string;

  @Id({ description: 'The hook by which Gitea prompts; what it opens says by which events.' })
  giteaHookId: string;

  @Text(REPOSITORY)
  repository: string;

  @Text(REF)
  ref: string;

  @Id()
  policyId: string;

  @Flag({ optional: true, ...SEALS })
  seals?: boolean;

  @Nested(() => PlanRequest, {
    description: 'As for a rollout, without a source. {commit} in arguments of steps stands for the commit.',
  })
  plan: PlanRequest;
}

export class RolloutTemplateView {
  @Id()
  id: string;

  @Text({ max: 100 })
  name: string;

  @Id()
  giteaHookId: string;

  @Text(REPOSITORY)
  repository: string;

  @Text(REF)
  ref: string;

  @Id()
  policyId: string;

  @Flag(SEALS)
  seals: boolean;

  @Id({ description: 'An author of what it opens, beside the creator of the hook.' })
  createdBy: string;

  @Time()
  createdAt: string;
}

export class RolloutTemplatePage extends pageViewOf(RolloutTemplateView) {}

export class RolloutTemplateDetailView extends RolloutTemplateView {
  @Anything({ maxBytes: 1_000_000 })
  plan: object;
}
