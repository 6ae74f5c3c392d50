import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from '#database';
import { readHeads } from './event-log.store.ts';

const LOOK_MS = 100;

interface Waiter {
  readonly orgId: string;
  readonly after: number;
  readonly wake: () => void;
}

/** Wakes who waits for events of an organization: one question for all of them, and none while nobody waits. */
@Injectable()
export class EventHeads {
  readonly #waiters = new Set<Waiter>();
  #looking = false;

  constructor(private readonly database: Database) {}

  /** Resolves when the log has grown beyond `after`, or after `withinMs`, or when `signal` aborts. */
  async grown(orgId: string, after: number, withinMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.#waiters.delete(waiter);
        resolve();
      };
      const waiter = { orgId, after, wake: done };
      const timer = setTimeout(done, withinMs);
      signal?.addEventListener('abort', done);
      this.#waiters.add(waiter);
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    while (this.#waiters.size > 0) {
      const orgIds = [...new Set([...this.#waiters].map(({ orgId }) => orgId))];
      // Where the database does not answer they wait on, and their own reading tells them.
      const heads = await readHeads(this.database.alone('event_heads'), orgIds).catch(() => []);
      const newest = new Map(heads.map(({ org, head }) => [org, Number(head)]));
      for (const { orgId, after, wake } of this.#waiters) if ((newest.get(orgId) ?? 0) > after) wake();
      if (this.#waiters.size > 0) await sleep(LOOK_MS);
    }
    this.#looking = false;
  }
}
