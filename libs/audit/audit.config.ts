import type { CheckpointSigner } from './checkpoint/checkpoint-signer.ts';

/** Who wraps what must not stand in the database as it is: the master key, or a service that holds one. */
export interface Wrapping {
  /** `context` is authenticated: what was wrapped for one opens for no other. */
  wrap(plain: Buffer, context: string): string;
  unwrap(wrapped: string, context: string): Buffer;
}

/** What the audit room takes from the configuration. */
export class AuditConfig {
  constructor(
    /** Names the deployment in checkpoints; a URN of its id where unset. */
    readonly publicUrl: string | undefined,
    readonly wrapping: Wrapping,
    /** Seconds between checkpoints. */
    readonly checkpointSeconds: number,
    /** Where checkpoints are published, out of the database's reach. */
    readonly anchorDir: string | undefined,
    /** Where keys that sign checkpoints are made; here, wrapped, where unset. */
    readonly signer?: CheckpointSigner,
  ) {}
}
