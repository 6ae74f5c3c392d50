import type { HeldValue } from './held-value.ts';

/** Values by key, at most `most` of them: the one that was used longest ago goes first. What goes is wiped. */
export class HeldValues {
  readonly #values = new Map<string, HeldValue>();

  constructor(private readonly most: number) {}

  get size(): number {
    return this.#values.size;
  }

  get(key: string): HeldValue | undefined {
    const value = this.#values.get(key);
    if (!value) return undefined;
    // A Map is in order of insertion: the one that was used goes to the end.
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  put(key: string, value: HeldValue): void {
    this.#drop(key);
    this.#values.set(key, value);
    const [oldest] = this.#values.keys();
    if (this.#values.size > this.most && oldest !== undefined) this.#drop(oldest);
  }

  dropWhere(test: (value: HeldValue, key: string) => boolean): void {
    for (const [key, value] of this.#values) if (test(value, key)) this.#drop(key);
  }

  #drop(key: string): void {
    this.#values.get(key)?.wipe();
    this.#values.delete(key);
  }
}
