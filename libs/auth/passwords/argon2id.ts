import { argon2Sync } from 'node:crypto';

/** One hash to compute. Memory is in KiB, lengths in bytes. */
export interface HashJob {
  readonly password: string;
  readonly salt: Uint8Array;
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly length: number;
}

/** argon2id (RFC 9106). Throws where the parameters are none. */
export type Argon2id = (job: HashJob) => Uint8Array;

/** Node's own, which is there everywhere. It uses no vector instructions. */
export const portableArgon2id: Argon2id = ({ password, salt, memory, passes, parallelism, length }) =>
  argon2Sync('argon2id', { message: password, nonce: salt, memory, passes, parallelism, tagLength: length });

/** Small, and of more than one pass and lane, so that every part of the algorithm has a say. */
const KNOWN: HashJob = {
  password: 'a known answer',
  salt: new Uint8Array(16).fill(7),
  memory: 64,
  passes: 2,
  parallelism: 2,
  length: 32,
};

/**
 * The same function with vector instructions, two to three times as fast. Node's own where there is none for this
 * platform, or where it does not compute what Node's does: with another function nobody could sign in.
 */
export async function fastestArgon2id(load = () => import('@node-rs/argon2')): Promise<Argon2id> {
  try {
    const { hashRawSync } = await load();
    // It computes argon2id where nothing else is said.
    const fast: Argon2id = ({ password, salt, memory, passes, parallelism, length }) =>
      hashRawSync(password, {
        salt,
        memoryCost: memory,
        timeCost: passes,
        parallelism,
        outputLen: length,
      });
    return Buffer.compare(fast(KNOWN), portableArgon2id(KNOWN)) === 0 ? fast : portableArgon2id;
  } catch {
    return portableArgon2id;
  }
}
