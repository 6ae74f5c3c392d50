import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Caller } from '#kernel';
import { type InvalidationListener, InvalidationStream } from './invalidation-stream.ts';

/** An answer that is still under way. Its signal aborts when what its caller was admitted by may have changed. */
export interface LiveAnswer {
  readonly signal: AbortSignal;
  /** It is over: whoever still waits for it is woken. */
  close(): void;
}

interface Open {
  readonly caller: Caller;
  readonly subjects: ReadonlySet<string>;
  readonly abort: AbortController;
}

/**
 * Ends answers that last (streams, long polls) when the authority of their callers changes: the guard admitted them
 * once, and nobody asks it again while they last. The invalidation stream tells before this process acknowledges, so
 * a revocation that has answered has ended them. A role is not looked up: any change of a role of anybody ends all,
 * and who may still read asks again. The same where nothing can be proven any more.
 */
@Injectable()
export class LiveCallers implements InvalidationListener, OnModuleInit, OnModuleDestroy {
  readonly #open = new Set<Open>();

  constructor(private readonly stream: InvalidationStream) {}

  onModuleInit(): void {
    this.stream.listen(this);
  }

  onModuleDestroy(): void {
    this.lapsed();
  }

  open(caller: Caller): LiveAnswer {
    const open = { caller, subjects: subjectsOf(caller), abort: new AbortController() };
    this.#open.add(open);
    const close = (): void => {
      this.#open.delete(open);
      open.abort.abort();
    };
    return { signal: open.abort.signal, close };
  }

  /** How many answers to this caller’s credential are under way in this process. */
  held(caller: Caller): number {
    return [...this.#open].filter((one) => credentialOf(one.caller) === credentialOf(caller)).length;
  }

  dropped(subjects: readonly string[]): void {
    const anyRole = subjects.some((subject) => subject.startsWith('role:'));
    for (const one of this.#open) {
      if (anyRole || subjects.some((subject) => one.subjects.has(subject))) one.abort.abort();
    }
  }

  lapsed(): void {
    for (const one of this.#open) one.abort.abort();
  }
}

const credentialOf = ({ sessionId, apiKeyId }: Caller): string | undefined => sessionId ?? apiKeyId;

function subjectsOf({ org, userId, sessionId, apiKeyId }: Caller): Set<string> {
  return new Set([
    `org:${org.id}`,
    `user:${userId}`,
    `membership:${org.id}:${userId}`,
    `session:${sessionId}`,
    `api_key:${apiKeyId}`,
  ]);
}
