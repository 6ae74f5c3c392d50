import { Anything, Choice, Id, ListOf, PageQuery, pageViewOf, Text, Time, Whole } from '#http';

export class EvidenceQuery extends PageQuery {
  @Text({ min: 64, max: 64, optional: true, description: 'SHA-256 of what it speaks of, hexadecimal.' })
  subject?: string;
}

export class EvidenceRequest {
  @Anything({
    maxBytes: 65_536,
    optional: true,
    description: 'An in-toto statement, which the organization signs with its own key.',
  })
  statement?: Record<string, unknown>;

  @Anything({
    maxBytes: 131_072,
    optional: true,
    description: 'Or a DSSE envelope, signed by a key that the organization trusts.',
  })
  envelope?: Record<string, unknown>;
}

export class EvidenceView {
  @Id()
  id: string;

  @Text()
  predicateType: string;

  @ListOf('text', { max: 100 })
  subjects: string[];

  @Choice(['pass', 'fail', 'inconclusive'])
  result: string;

  @Choice(['person', 'gitea'], { description: 'Whose word it is.' })
  producer: string;

  @Id({ nullable: true, description: 'The person who recorded it; null for what Gitea says.' })
  producerId: string | null;

  @Text({ description: 'The key that signed it.' })
  keyid: string;

  @Text({ description: 'SHA-256 of the envelope.' })
  digest: string;

  @Time()
  observedAt: string;

  @Time({ nullable: true })
  expiresAt: string | null;

  @Time()
  createdAt: string;
}

export class EvidencePage extends pageViewOf(EvidenceView) {}

export class EvidenceDetailView extends EvidenceView {
  @Anything({ maxBytes: 200_000, description: 'The envelope as it was signed (DSSE).' })
  envelope: object;
}

export class EvidenceKeyRequest {
  @Text({ max: 100 })
  name: string;

  @Text({ max: 2_000, description: 'A public key in PEM: Ed25519, or ECDSA P-256.' })
  publicKey: string;

  @Id({ description: 'The person answerable for what it signs: they count as the producer of it.' })
  ownerId: string;

  @Time({ optional: true, description: 'When its signatures are taken no longer; never where unsaid.' })
  expiresAt?: string;
}

export class EvidenceKeyView {
  @Id()
  id: string;

  @Text({ max: 100 })
  name: string;

  @Text()
  keyid: string;

  @Choice(['ed25519', 'ecdsa-p256'])
  algorithm: string;

  @Text({ max: 2_000 })
  publicKey: string;

  @Id({ nullable: true, description: 'Null for the own key of the organization.' })
  ownerId: string | null;

  @Time()
  createdAt: string;

  @Time({ nullable: true })
  expiresAt: string | null;

  @Time({ nullable: true })
  revokedAt: string | null;
}

export class EvidenceKeyPage extends pageViewOf(EvidenceKeyView) {}

export const mediaTypes = [
  'application/json',
  'application/pdf',
  'application/vnd.in-toto+json',
  'image/png',
  'text/csv',
  'text/plain',
] as const;

export class AttachmentRequest {
  @Choice(mediaTypes)
  mediaType: string;

  @Text({ max: 245_760, description: 'Base64; at most 180 KiB of content, for a body has at most 256 KiB.' })
  content: string;

  @Text({
    min: 64,
    max: 64,
    optional: true,
    description: 'SHA-256 of the content, hexadecimal: refused where another content came.',
  })
  sha256?: string;
}

export class AttachmentView {
  @Text({ description: 'SHA-256 of the content, hexadecimal.' })
  sha256: string;

  @Choice(mediaTypes)
  mediaType: string;

  @Whole()
  bytes: number;
}
