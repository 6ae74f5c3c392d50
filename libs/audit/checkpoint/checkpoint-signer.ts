/**
 * A key (Ed25519) that signs checkpoints and does not leave where it lies: what holds it stands above this room. It
 * has versions, each named by its public key (32 bytes). All reject where it does not answer, or refuses.
 */
export interface CheckpointSigner {
  /** The public key of the newest version. */
  newest(): Promise<Buffer>;
  /** Makes a newer version. Those before go on signing when they are asked to. */
  renew(): Promise<void>;
  /** 64 bytes, by the version of this public key. */
  sign(text: Buffer, publicKey: Buffer): Promise<Buffer>;
}
