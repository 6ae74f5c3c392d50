import { Anything, Choice, Flag, Id, pageViewOf, Text, Time, Whole } from '#http';
import { type FactKind, factKinds } from '../verdict/vocabulary.ts';

/** Seconds that a fact may be good for. */
export const TTL = { min: 5, max: 86_400 } as const;

export class TellFactRequest {
  @Whole({ min: 1, description: 'Higher than any this authority told of the kind before.' })
  revision: number;

  @Time({ description: 'When the owner saw it so.' })
  observedAt: string;

  @Whole({ ...TTL, description: 'For how long it may be believed, from observedAt on.' })
  ttlSeconds: number;

  @Anything({ maxBytes: 4_096, description: 'By kind: see docs/projection.md.' })
  data: object;

  @Anything({
    maxBytes: 8_192,
    optional: true,
    description: 'What shows it: references, digests. No secrets.',
  })
  evidence?: object;
}

export class FactView {
  @Id()
  id: string;

  @Id()
  surfaceId: string;

  @Choice(factKinds)
  kind: FactKind;

  @Id()
  authorityId: string;

  @Whole()
  revision: number;

  @Whole({ description: 'Of the surface, when the fact came.' })
  generation: number;

  @Time()
  observedAt: string;

  @Time()
  receivedAt: string;

  @Whole()
  ttlSeconds: number;

  @Anything()
  data: object;

  @Anything({ optional: true })
  evidence?: object;

  @Text({ description: 'Hex SHA-256 of the RFC 8785 form of what was told, surface and kind included.' })
  digest: string;

  @Flag({ description: 'Whether it came as another content of a revision that had one.' })
  conflicting: boolean;
}

export const FactPage = pageViewOf(FactView);
