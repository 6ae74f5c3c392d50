import { Anything, Choice, Flag, Id, ListOf, Secret, Text, Time, Whole } from '#http';

const FIELDS = 'The values: 1 to 64 texts by name, 64 KiB together.';
const PATH = 'Segments of A-Z a-z 0-9 . _ - with / between them.';
const VERSIONS = 'Which versions; the secret as a whole where unsaid.';

export class SecretsQuery {
  @Text({ max: 255, optional: true, description: 'Only secrets at this path or below it.' })
  prefix?: string;

  @Whole({ min: 1, max: 100, optional: true, description: 'How many items one page may have.' })
  limit: number = 50;

  @Text({ max: 400, optional: true, description: 'Continues where the page ended whose `next` this is.' })
  cursor?: string;

  @Text({ max: 20, optional: true, description: 'None is known: values leave one at a time, by reveal.' })
  format?: string;
}

export class CreateSecretRequest {
  @Text({ max: 255, description: PATH })
  path: string;

  @Anything({ maxBytes: 192 * 1024, description: FIELDS })
  fields: Record<string, unknown>;

  @Text({ min: 0, max: 1000, optional: true })
  description?: string;

  @Anything({ optional: true, description: 'At most 32 short texts by name. They are no secrets.' })
  tags?: Record<string, unknown>;

  @Whole({ min: 1, max: 100, optional: true, description: 'How many versions are kept; 10 where unsaid.' })
  maxVersions?: number;

  @Flag({ optional: true, description: 'Whether every write must say which version it follows.' })
  casRequired?: boolean;
}

export class UpdateSecretRequest {
  @Text({ min: 0, max: 1000, optional: true })
  description?: string;

  @Anything({ optional: true, description: 'All tags; those unnamed go.' })
  tags?: Record<string, unknown>;

  @Whole({ min: 1, max: 100, optional: true, description: 'What is older goes at once.' })
  maxVersions?: number;

  @Flag({ optional: true })
  casRequired?: boolean;
}

export class WriteSecretRequest {
  @Anything({ maxBytes: 192 * 1024, description: `${FIELDS} All of them: nothing is taken from before.` })
  fields: Record<string, unknown>;

  @Whole({ min: 1, max: 2_147_483_647, optional: true, description: 'The version that this follows.' })
  cas?: number;
}

export class RevealSecretRequest {
  @Whole({ min: 1, max: 2_147_483_647, optional: true, description: 'The newest where unsaid.' })
  version?: number;
}

export class VersionsRequest {
  @ListOf('whole', { min: 1, max: 100, itemMax: 2_147_483_647 })
  versions: number[];
}

export class SomeVersionsRequest {
  @ListOf('whole', { min: 1, max: 100, itemMax: 2_147_483_647, optional: true, description: VERSIONS })
  versions?: number[];
}

export class SearchValueRequest {
  @Secret({ max: 64 * 1024, description: 'The value that may have leaked. It is not kept.' })
  value: string;
}

export class SecretView {
  @Id()
  id: string;

  @Text()
  path: string;

  @Text({ min: 0 })
  description: string;

  @Anything()
  tags: Record<string, string>;

  @Whole()
  currentVersion: number;

  @Whole()
  maxVersions: number;

  @Flag()
  casRequired: boolean;

  @Time()
  createdAt: string;

  @Time()
  updatedAt: string;

  @Time({ nullable: true })
  deletedAt: string | null;
}

export class SecretPage {
  @ListOf(() => SecretView)
  items: SecretView[];

  @Text({ optional: true, description: 'The cursor of the next page; absent on the last.' })
  next?: string;
}

export class SecretVersionView {
  @Whole()
  version: number;

  @ListOf('text', { description: 'Names, never values.' })
  fields: string[];

  @Time()
  createdAt: string;

  @Time({ nullable: true })
  deletedAt: string | null;

  @Time({ nullable: true })
  destroyedAt: string | null;
}

export class SecretDetailsView extends SecretView {
  @ListOf(() => SecretVersionView, { description: 'Newest first.' })
  versions: SecretVersionView[];
}

export class RevealedSecretView {
  @Id()
  id: string;

  @Text()
  path: string;

  @Whole()
  version: number;

  @Anything({ description: 'The values.' })
  fields: Record<string, string>;
}

export class SecretUseView {
  @Choice(['revealed', 'resolved'])
  kind: 'revealed' | 'resolved';

  @Text({ description: 'user:<id> or api_key:<id>; or what the product resolved it for.' })
  usedBy: string;

  @Text({ description: 'The request in the audit log.' })
  requestId: string;

  @Time()
  at: string;
}

export class FoundValueView {
  @Id()
  secretId: string;

  @Text()
  path: string;

  @Whole()
  version: number;

  @Text()
  field: string;

  @ListOf(() => SecretUseView, { description: 'Newest first, at most 100.' })
  uses: SecretUseView[];
}

export class FoundValuesView {
  @ListOf(() => FoundValueView, { description: 'Where the value stands or stood, at most 100.' })
  items: FoundValueView[];
}
