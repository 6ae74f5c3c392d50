import { Injectable, type OnModuleDestroy, type OnModuleInit, Optional } from '@nestjs/common';
import { type InvalidationListener, InvalidationStream } from '#database';
import type { Authority } from './authority.ts';

const SIZE = 50_000;

/** One load under way: what is invalidated meanwhile must not enter the cache by it. */
interface Load {
  readonly dirty: Set<string>;
  lapsed: boolean;
}

/**
 * Authority that is proven fresh: an entry is used only while the invalidation lease is live, leaves with any of
 * its subjects, and never enters when one of them was invalidated while it was being read.
 */
@Injectable()
export class AuthorityCache implements InvalidationListener, OnModuleInit, OnModuleDestroy {
  readonly #entries = new Map<string, Authority>();
  readonly #bySubject = new Map<string, Set<string>>();
  readonly #loads = new Set<Load>();

  constructor(
    private readonly stream: InvalidationStream,
    @Optional() private readonly size = SIZE,
  ) {}

  /** How much it holds. */
  get held(): { entries: number; subjects: number; loads: number } {
    return { entries: this.#entries.size, subjects: this.#bySubject.size, loads: this.#loads.size };
  }

  onModuleInit(): void {
    this.stream.listen(this);
    this.stream.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.stream.stop();
  }

  /** The entry, or undefined where there is none or nothing can be proven now. */
  get(key: string): Authority | undefined {
    return this.stream.isFresh ? this.#entries.get(key) : undefined;
  }

  /** Reads through: `read` asks the database. What it answers is kept only if that is safe. */
  async load(key: string, read: () => Promise<Authority | undefined>): Promise<Authority | undefined> {
    const load: Load = { dirty: new Set(), lapsed: !this.stream.isFresh };
    this.#loads.add(load);
    try {
      const authority = await read();
      const stale = load.lapsed || (authority?.subjects.some((subject) => load.dirty.has(subject)) ?? true);
      if (authority && !stale && this.stream.isFresh) this.#put(key, authority);
      return authority;
    } finally {
      this.#loads.delete(load);
    }
  }

  dropped(subjects: readonly string[]): void {
    for (const subject of subjects) {
      for (const load of this.#loads) load.dirty.add(subject);
      for (const key of this.#bySubject.get(subject) ?? []) this.#remove(key);
    }
  }

  lapsed(): void {
    for (const load of this.#loads) load.lapsed = true;
    this.#entries.clear();
    this.#bySubject.clear();
  }

  #put(key: string, authority: Authority): void {
    this.#remove(key);
    const oldest = this.#entries.size >= this.size ? this.#entries.keys().next().value : undefined;
    if (oldest !== undefined) this.#remove(oldest);
    this.#entries.set(key, authority);
    for (const subject of authority.subjects) {
      const keys = this.#bySubject.get(subject) ?? new Set();
      this.#bySubject.set(subject, keys.add(key));
    }
  }

  #remove(key: string): void {
    const authority = this.#entries.get(key);
    if (!authority) return;
    this.#entries.delete(key);
    for (const subject of authority.subjects) {
      const keys = this.#bySubject.get(subject);
      keys?.delete(key);
      if (keys?.size === 0) this.#bySubject.delete(subject);
    }
  }
}
