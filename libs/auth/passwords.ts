import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AuthFault } from './auth.faults.ts';
import {
  CURRENT,
  formatHash,
  HASH_BYTES,
  type HashParameters,
  parseHash,
  SALT_BYTES,
} from './password-hash.ts';
import type { HashJob } from './password-worker.ts';

/** Jobs that may wait for a thread: about a second's worth on two cores. */
const QUEUE = 64;

interface Waiting {
  readonly job: HashJob;
  readonly resolve: (hash: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  current: Waiting | undefined;
}

/**
 * argon2id (RFC 9106) in threads of its own behind a bounded queue: a flood of sign-ins waits, and beyond the
 * queue is refused with 429 `auth.busy`, while every other route goes on.
 */
@Injectable()
export class Passwords implements OnModuleDestroy {
  readonly #threads: Thread[] = [];
  readonly #queue: Waiting[] = [];
  #nextId = 1;
  #stopped = false;
  /** Stands in for the hash of an account that does not exist, so that its answer takes as long. */
  #decoy: string | undefined;

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
  }

  #decoyHash(): string {
    this.#decoy ??= formatHash({ ...CURRENT, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) });
    return this.#decoy;
  }

  #compute(password: string, salt: Buffer, parameters: HashParameters, length: number): Promise<Buffer> {
    const { memory, passes, parallelism } = parameters;
    if (this.#stopped || this.#queue.length >= QUEUE) throw AuthFault.busy({ retryAfter: 1 });
    return new Promise((resolve, reject) => {
      const job: HashJob = { id: this.#nextId++, password, salt, memory, passes, parallelism, length };
      this.#queue.push({ job, resolve, reject });
      if (this.#threads.length < availableParallelism() && this.#threads.every((thread) => thread.current)) {
        this.#threads.push(this.#startThread());
      }
      this.#assign();
    });
  }

  #assign(): void {
    for (const thread of this.#threads) {
      if (thread.current) continue;
      const next = this.#queue.shift();
      if (!next) return;
      thread.current = next;
      thread.worker.postMessage(next.job);
    }
  }

  #startThread(): Thread {
    // Beside this file: the source under test, the compiled file in production.
    const file = import.meta.url.endsWith('.ts') ? './password-worker.ts' : './password-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), { execArgv: [], env: {} });
    const thread: Thread = { worker, current: undefined };
    worker.unref();
    worker.on('message', ({ hash }: { id: number; hash: Uint8Array }) => {
      thread.current?.resolve(Buffer.from(hash));
      thread.current = undefined;
      this.#assign();
    });
    worker.on('error', (error) => {
      this.#threads.splice(this.#threads.indexOf(thread), 1);
      thread.current?.reject(error);
      this.#assign();
    });
    return thread;
  }
}
