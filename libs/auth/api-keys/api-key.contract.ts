import { Flag, Id, ListOf, Nested, Secret, Text, Time, Whole } from '#http';

export class KeyPepperView {
  @Id()
  id: string;

  @Flag({ description: 'New and rotated keys use it, and keys that are used move to it.' })
  current: boolean;

  @Whole({ description: 'API keys that are neither revoked nor expired and still need it.' })
  liveKeys: number;

  @Time()
  createdAt: string;

  @Time({ nullable: true, description: 'When it was erased, for no live key needed it any more.' })
  retiredAt: string | null;
}

export class KeyPeppersView {
  @ListOf(() => KeyPepperView, { max: 1000, description: 'Newest first; at most 100.' })
  items: KeyPepperView[];
}

export class ReportedKeyRequest {
  @Secret({ max: 200, description: 'The whole key that was found.' })
  key: string;
}

export class SecretReportView {
  @Text()
  method: string;

  @Text({ description: 'On this server.' })
  path: string;

  @Text({ description: 'The field of the JSON body that holds what was found.' })
  field: string;
}

export class SecretPatternView {
  @Text()
  name: string;

  @Text({ description: 'What it begins with.' })
  prefix: string;

  @Text({ description: 'A regular expression that all tools read alike: literals, classes, counts.' })
  regex: string;

  @Text({ description: 'How to tell a real one from a look-alike without asking.' })
  checksum: string;

  @Nested(() => SecretReportView, { description: 'Where to hand in one that leaked: it ends at once.' })
  report: SecretReportView;
}

export class SecretPatternsView {
  @ListOf(() => SecretPatternView)
  items: SecretPatternView[];
}
