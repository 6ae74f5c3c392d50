import { ListOf, Text, Whole } from '#http';

export class InclusionQuery {
  @Whole({ min: 1, description: 'The position whose event is to be proven.' })
  pos: number;

  @Whole({ min: 1, description: 'The size of the tree that it is to be in, as a checkpoint names it.' })
  size: number;
}

export class ConsistencyQuery {
  @Whole({ min: 1, description: 'The size of the earlier checkpoint.' })
  from: number;

  @Whole({ min: 1, description: 'The size of the later one.' })
  to: number;
}

export class PrefixQuery {
  @Whole({ min: 1, description: 'How many positions the prefix has, such as the `prunedUpTo` of a log.' })
  size: number;
}

export class ProofView {
  @ListOf('text', { itemMax: 64, description: 'Hex, in the order of RFC 6962.' })
  hashes: string[];
}

export class RotateAuditKeyRequest {
  @Whole({
    max: 31_536_000,
    description:
      'For how many seconds the key before signs beside the new one, for verifiers to learn of it.',
  })
  overlapSeconds: number;
}

export class RotatedAuditKeyView {
  @Text({ description: 'The new key in the form that verifiers of notes take.' })
  verifierKey: string;
}
