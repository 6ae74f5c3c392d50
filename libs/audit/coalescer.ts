/**
 * Keeps a flood from filling the log: of one kind of event the first few in a window are recorded one by one, the
 * rest are counted, and the count becomes one record. Pure; times are milliseconds.
 */
export interface CoalescerLimits {
  readonly windowMs: number;
  /** Recorded one by one in a window. */
  readonly individually: number;
  /** How many kinds are told apart; those beyond share one counter per group. */
  readonly kinds: number;
}

/** What was counted and not yet recorded. */
export interface Counted<T> {
  readonly sample: T;
  readonly count: number;
}

interface Window<T> {
  readonly since: number;
  seen: number;
  counted: number;
  sample: T;
}

export class Coalescer<T> {
  readonly #windows = new Map<string, Window<T>>();

  constructor(private readonly limits: CoalescerLimits) {}

  /** True when this one is to be recorded by itself; false when it was counted instead. */
  admit(group: string, kind: string, sample: T, now: number): boolean {
    const known = `${group}|${kind}`;
    const key = this.#windows.has(known) || this.#windows.size < this.limits.kinds ? known : `${group}|*`;
    const window = this.#windows.get(key) ?? { since: now, seen: 0, counted: 0, sample };
    this.#windows.set(key, window);
    window.seen += 1;
    if (window.seen <= this.limits.individually) return true;
    window.counted += 1;
    window.sample = sample;
    return false;
  }

  /** Takes out what windows that have ended (or all, at the end) have counted. */
  take(now: number, all = false): Counted<T>[] {
    const taken: Counted<T>[] = [];
    for (const [key, window] of this.#windows) {
      if (!all && now - window.since < this.limits.windowMs) continue;
      this.#windows.delete(key);
      if (window.counted > 0) taken.push({ sample: window.sample, count: window.counted });
    }
    return taken;
  }
}
