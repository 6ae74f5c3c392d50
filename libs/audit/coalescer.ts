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

/**
 * For readers of the log: the first reading in ten minutes is recorded, or one who polls would be woken by their own
 * records for ever. Readers hold a credential, so there are only so many, and each is told apart.
 */
export const READS: CoalescerLimits = { windowMs: 600_000, individually: 1, kinds: Infinity };

/** What was counted and not yet recorded. */
export interface Counted<T> {
  readonly key: string;
  /** The latest one. */
  readonly sample: T;
  readonly count: number;
  /** True where kinds were too many to tell apart: the sample then stands for itself only, not for the others. */
  readonly mixed: boolean;
}

/** Ends the key of the window that all kinds beyond the limit share; no kind of ours is a star. */
const SHARED = '|*';

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
    const own = `${group}|${kind}`;
    const shared = !this.#windows.has(own) && this.#windows.size >= this.limits.kinds;
    const window = this.#window(shared ? `${group}${SHARED}` : own, sample, now);
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
      const { sample, counted: count } = window;
      if (count > 0) taken.push({ key, sample, count, mixed: key.endsWith(SHARED) });
    }
    return taken;
  }

  /** One that was admitted could not be recorded: the next is to be recorded by itself. */
  forget(group: string, kind: string): void {
    const window = this.#windows.get(`${group}|${kind}`) ?? this.#windows.get(`${group}${SHARED}`);
    if (window) window.seen = Math.max(0, window.seen - 1);
  }

  /** Takes back what was taken out and could not be recorded. */
  restore({ key, sample, count }: Counted<T>, now: number): void {
    this.#window(key, sample, now).counted += count;
  }

  #window(key: string, sample: T, now: number): Window<T> {
    const window = this.#windows.get(key) ?? { since: now, seen: 0, counted: 0, sample };
    this.#windows.set(key, window);
    return window;
  }
}
