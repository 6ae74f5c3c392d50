import { Choice, Flag, Id, ListOf, pageViewOf, Text, Time, Whole } from '#http';

export const opensWith = ['push', 'tag', 'release', 'pull_request'] as const;

const REFERENCE = { max: 400 } as const;
const REPOSITORIES = {
  min: 1,
  max: 100,
  itemMax: 201,
  description: 'owner/name of each; deliveries of others are refused.',
} as const;
const PATTERNS = { max: 50, itemMax: 255, description: 'Patterns; * stands for any characters.' } as const;
const OPENS = { max: 4, description: 'What opens a rollout.' } as const;
const SECRETS = {
  min: 1,
  max: 2,
  itemMax: 400,
  description: 'secret://… of what signs deliveries: two while one takes over from the other.',
} as const;
const BASE_URL = { max: 500, description: 'Of Gitea: https://gitea.example, without /api/v1.' } as const;
const TOKEN = { ...REFERENCE, description: 'secret://… of an access token that may read the repositories.' };
const DEFAULT = {
  description: 'Takes what comes without the id of a hook; only in the platform organization.',
} as const;

export class CreateGiteaHookRequest {
  @Text({ max: 100 })
  name: string;

  @Text(BASE_URL)
  baseUrl: string;

  @Text(TOKEN)
  token: string;

  @ListOf('text', SECRETS)
  secrets: string[];

  @ListOf('text', REPOSITORIES)
  repositories: string[];

  @ListOf('text', { ...PATTERNS, optional: true })
  branches?: string[];

  @ListOf('text', { ...PATTERNS, optional: true })
  tags?: string[];

  @ListOf(opensWith, { ...OPENS, optional: true })
  opens?: string[];

  @Flag({ optional: true })
  enabled?: boolean;

  @Flag({ optional: true, ...DEFAULT })
  isDefault?: boolean;
}

export class UpdateGiteaHookRequest {
  @Text({ max: 100, optional: true })
  name?: string;

  @Text({ ...BASE_URL, optional: true })
  baseUrl?: string;

  @Text({ ...TOKEN, optional: true })
  token?: string;

  @ListOf('text', { ...SECRETS, optional: true })
  secrets?: string[];

  @ListOf('text', { ...REPOSITORIES, optional: true })
  repositories?: string[];

  @ListOf('text', { ...PATTERNS, optional: true })
  branches?: string[];

  @ListOf('text', { ...PATTERNS, optional: true })
  tags?: string[];

  @ListOf(opensWith, { ...OPENS, optional: true })
  opens?: string[];

  @Flag({ optional: true })
  enabled?: boolean;

  @Flag({ optional: true, ...DEFAULT })
  isDefault?: boolean;
}

export class GiteaHookView {
  @Id()
  id: string;

  @Text()
  name: string;

  @Text({
    description: 'What to enter as the target of the webhook in Gitea, below the address of this API.',
  })
  path: string;

  @Text(BASE_URL)
  baseUrl: string;

  @Text(TOKEN)
  token: string;

  @ListOf('text', SECRETS)
  secrets: string[];

  @ListOf('text', REPOSITORIES)
  repositories: string[];

  @ListOf('text', PATTERNS)
  branches: string[];

  @ListOf('text', PATTERNS)
  tags: string[];

  @ListOf(opensWith, OPENS)
  opens: string[];

  @Flag()
  enabled: boolean;

  @Flag(DEFAULT)
  isDefault: boolean;

  @Text()
  createdBy: string;

  @Time()
  createdAt: string;
}

export class GiteaHookPage extends pageViewOf(GiteaHookView) {}

export class GiteaPromptedView {
  @Choice(['open', 'advance', 'void', 'evidence'])
  kind: string;

  @Text({ optional: true, description: 'refs/heads/…, refs/tags/… or refs/pull/<number>/head.' })
  ref?: string;

  @Text({ description: 'The commit that Gitea spoke of.' })
  commit: string;

  @Text({ description: 'The event, or the reason, or the state of what is evidence.' })
  what: string;

  @ListOf('id', { max: 1000, description: 'The rollouts that it concerned.' })
  rollouts: string[];
}

export class GiteaDeliveryView {
  @Id()
  id: string;

  @Choice(['webhook', 'reconcile'])
  source: string;

  @Id({ optional: true, description: 'As Gitea calls it.' })
  delivery?: string;

  @Text()
  event: string;

  @Text({ optional: true })
  repository?: string;

  @Text({ optional: true, description: 'SHA-256 of the body, hex.' })
  bodySha256?: string;

  @Choice(['accepted', 'ignored', 'refused'], { description: 'ignored: nothing depends on such an event.' })
  verdict: string;

  @Choice(['queued', 'done', 'failed'], { description: 'How far the reading of Gitea is.' })
  state: string;

  @Text({ optional: true, description: 'Why it was refused, or why Gitea could not be read.' })
  code?: string;

  @Whole({ optional: true, description: 'How often the same body was refused in the same way.' })
  refusals?: number;

  @ListOf(() => GiteaPromptedView, { max: 10_000, description: 'What came of it.' })
  prompted: GiteaPromptedView[];

  @Time()
  receivedAt: string;

  @Time({ optional: true })
  doneAt?: string;
}

export class GiteaDeliveryPage extends pageViewOf(GiteaDeliveryView) {}

export class GiteaReconcileView {
  @Id({ description: 'The line in the list of deliveries that tells how it went.' })
  delivery: string;
}
