import type { InvalidationListener, InvalidationStream } from './invalidation-stream.ts';

const SIZE = 50_000;

/** Something read of the database, and the subjects of the invalidations it leaves with. */
export interface Proven {
  readonly subjects: readonly string[];
}

/** One load under way: what is invalidated meanwhile must not enter the cache by it. */
interface Load {
  readonly dirty: Set<string>;
  lapsed: boolean;
}

/**
 * What authority depends on, proven fresh: an entry is used only while the invalidation lease is live, leaves with
 * any of its subjects, and never enters when one of them was invalidated while it was being read. It must be heard by
 * the stream (`listen`) before it is used.
 */
export class ProvenCache<T extends Proven> implements InvalidationListener {
  readonly #entries = new Map<string, T>();
  readonly #bySubject = new Map<string, Set<string>>();
  readonly #loads = new Set<Load>();

  constructor(
    protected readonly stream: InvalidationStream,
    private readonly size = SIZE,
  ) {}

  /** How much it holds. */
  get held(): { entries: number; subjects: number; loads: number } {
    return { entries: this.#entries.size, subjects: this.#bySubject.size, loads: this.#loads.size };
  }

  /** The entry, or undefined where there is none or nothing can be proven now. */
  get(key: string): T | undefined {
    return this.stream.isFresh ? this.#entries.get(key) : undefined;
  }

  /** Reads through: `read` asks the database. What it answers is kept only if that is safe. */
  async load(key: string, read: () => Promise<T | undefined>): Promise<T | undefined> {
    const load: Load = { dirty: new Set(), lapsed: !this.stream.isFresh };
    this.#loads.add(load);
    try {
      const found = await read();
      const stale = load.lapsed || (found?.subjects.some((subject) => load.dirty.has(subject)) ?? true);
      if (found && !stale && this.stream.isFresh) this.#put(key, found);
      return found;
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

  #put(key: string, found: T): void {
    this.#remove(key);
    const oldest = this.#entries.size >= this.size ? this.#entries.keys().next().value : undefined;
    if (oldest !== undefined) this.#remove(oldest);
    this.#entries.set(key, found);
    for (const subject of found.subjects) {
      const keys = this.#bySubject.get(subject) ?? new Set();
      this.#bySubject.set(subject, keys.add(key));
    }
  }

  #remove(key: string): void {
    const found = this.#entries.get(key);
    if (!found) return;
    this.#entries.delete(key);
    for (const subject of found.subjects) {
      const keys = this.#bySubject.get(subject);
      keys?.delete(key);
      if (keys?.size === 0) this.#bySubject.delete(subject);
    }
  }
}
