/** How far what is written may lag behind. */
const FLUSH_MS = 10_000;

/** Remembers the latest use of each credential and writes it in batches: a request costs no write. */
export class Sightings<T> {
  #seen = new Map<string, T>();
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly write: (seen: ReadonlyMap<string, T>) => Promise<unknown>) {}

  start(): void {
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  note(id: string, use: T): void {
    this.#seen.set(id, use);
  }

  /** Writes what was seen. On failure it is kept for the next time; later uses win. */
  async flush(): Promise<void> {
    if (this.#seen.size === 0) return;
    const batch = this.#seen;
    this.#seen = new Map();
    try {
      await this.write(batch);
    } catch {
      this.#seen = new Map([...batch, ...this.#seen]);
    }
  }
}
