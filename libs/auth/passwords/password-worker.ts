import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { fastestArgon2id, type HashJob } from './argon2id.ts';

/**
 * A thread that computes argon2id. On Linux a priority belongs to the thread: hashing yields to the threads that
 * answer requests, so that a flood of sign-ins slows sign-ins, and uses every idle core when there is none.
 */
const BELOW_REQUESTS = 19;

if (process.platform === 'linux') setPriority(BELOW_REQUESTS);

/** What comes back: the hash, or what argon2 had against the job. */
export interface HashResult {
  readonly hash?: Uint8Array;
  readonly error?: string;
}

const argon2id = await fastestArgon2id();

parentPort?.on('message', (job: HashJob) => parentPort?.postMessage(compute(job)));

/** A job that cannot be done is answered, too: it must not take the thread with it. */
function compute(job: HashJob): HashResult {
  try {
    return { hash: argon2id(job) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
