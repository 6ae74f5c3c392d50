import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AuthFault } from '../auth.faults.ts';
import {
  CURRENT,
  formatHash,
  HASH_BYTES,
  type HashParameters,
  parseHash,
  SALT_BYTES,
} from './password-hash.ts';
import type { HashJob } from './argon2id.ts';
import type { HashResult } from './password-worker.ts';

/** Jobs that may wait for a thread: about a second's worth on two cores. */
const QUEUE = 64;

/** Jobs a thread has at once, so that it need not wait for the next one. */
const AHEAD = 2;

/**
 * One core stays with those who answer requests, where there are several: even of lowest priority, a thread that
 * computes gives its core up only at the end of its slice, and a request would wait for that.
 */
const THREADS = Math.max(1, availableParallelism() - 1);

interface Waiting {
  readonly job: HashJob;
  readonly resolve: (hash: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** In the order they were given; it works on the first. */
  readonly jobs: Waiting[];
}

/**
 * argon2id (RFC 9106) in threads of its own behind a bounded queue: a flood of sign-ins waits, and beyond the
 * queue is refused with 429 `auth.busy`, while every other route goes on.
 */
@Injectable()
export class Passwords implements OnModuleDestroy {
  readonly #threads: Thread[] = [];
  readonly #queue: Waiting[] = [];
  #stopped = false;
  /** Stands in for the hash of an account that does not exist, so that its answer takes as long. */
  #decoy: string | undefined;

  /** Passwords that wait for a thread to compute on. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** The PHC string of a new password. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    return formatHash({ ...CURRENT, salt, hash: await this.#compute(password, salt, CURRENT, HASH_BYTES) });
  }

  /** True where the password is the one that was hashed. With no hash it computes all the same, and is false. */
  async verify(password: string, stored: string | undefined): Promise<boolean> {
    const expected = parseHash(stored ?? this.#decoyHash());
    const actual = await this.#compute(password, expected.salt, expected, expected.hash.length);
    return timingSafeEqual(actual, expected.hash) && stored !== undefined;
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    for (const waiting of this.#queue.splice(0)) waiting.reject(AuthFault.busy());
    await Promise.all(this.#threads.map((thread) => thread.worker.terminate()));
    for (const { jobs } of this.#threads.splice(0)) for (const job of jobs) job.reject(AuthFault.busy());
  }

  #decoyHash(): string {
    this.#decoy ??= formatHash({ ...CURRENT, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) });
    return this.#decoy;
  }

  #compute(password: string, salt: Buffer, parameters: HashParameters, length: number): Promise<Buffer> {
    const { memory, passes, parallelism } = parameters;
    if (this.#stopped || this.#queue.length >= QUEUE) throw AuthFault.busy({ retryAfter: 1 });
    return new Promise((resolve, reject) => {
      const job: HashJob = { password, salt, memory, passes, parallelism, length };
      this.#queue.push({ job, resolve, reject });
      this.#assign();
    });
  }

  /** Gives what waits to idle threads, to new ones while there may be more, and to busy ones ahead of time. */
  #assign(): void {
    while (this.#queue.length > 0 && !this.#stopped) {
      const thread =
        this.#threads.find(({ jobs }) => jobs.length === 0) ??
        this.#startThread() ??
        this.#threads.find(({ jobs }) => jobs.length < AHEAD);
      const next = thread && this.#queue.shift();
      if (!next) return;
      thread.jobs.push(next);
      thread.worker.postMessage(next.job);
    }
  }

  /** Undefined where there are as many as there may be. */
  #startThread(): Thread | undefined {
    if (this.#threads.length >= THREADS) return undefined;
    // Beside this file: the source under test, the compiled file in production.
    const file = import.meta.url.endsWith('.ts') ? './password-worker.ts' : './password-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), { execArgv: [], env: {} });
    const thread: Thread = { worker, jobs: [] };
    this.#threads.push(thread);
    worker.unref();
    worker.on('message', ({ hash, error }: HashResult) => {
      const done = thread.jobs.shift();
      if (hash) done?.resolve(Buffer.from(hash));
      else done?.reject(new Error(`argon2id: ${error}`));
      this.#assign();
    });
    worker.on('error', (error) => this.#lost(thread, error));
    worker.on('exit', () => this.#lost(thread, new Error('a thread that hashes passwords has ended')));
    return thread;
  }

  /** Its job fails; what waits goes to a new thread. */
  #lost(thread: Thread, error: unknown): void {
    if (this.#stopped || !this.#threads.includes(thread)) return;
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    thread.jobs.shift()?.reject(error);
    this.#queue.unshift(...thread.jobs);
    this.#assign();
  }
}
