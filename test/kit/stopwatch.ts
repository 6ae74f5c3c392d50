import { setTimeout as sleep } from 'node:timers/promises';

export interface Measured<T> {
  readonly value: T;
  /** How long the work took, in milliseconds. */
  readonly ms: number;
  /** What a busy machine may have added to that, in milliseconds; next to nothing on a quiet one. */
  readonly machine: number;
}

/** Milliseconds that this process computed for `work`, which waits for nothing: whoever else computes does not count. */
export function computing(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Work that goes one way through a process and back waits for the machine no more often than this. */
const WAITS = 6;

/**
 * Measures `work`, and beside it what the machine itself takes: `control` is the cheapest thing that the same processes
 * can be asked, and it is asked again and again. What a bound in time proves is that nothing is waited for longer than
 * that; a bound is held against `ms - machine`, for what holds up the cheapest answer holds up every other too.
 */
export async function beside<T>(
  control: () => Promise<unknown>,
  work: () => Promise<T>,
): Promise<Measured<T>> {
  let longest = 0;
  const ends = new AbortController();
  const controls = (async () => {
    while (!ends.signal.aborted) {
      const began = performance.now();
      await control();
      await sleep(5);
      longest = Math.max(longest, performance.now() - began - 5);
    }
  })();
  controls.catch(() => undefined); // thrown below
  const began = performance.now();
  try {
    const value = await work();
    const ms = performance.now() - began;
    ends.abort();
    await controls;
    return { value, ms, machine: WAITS * longest };
  } finally {
    ends.abort();
    await controls.catch(() => undefined);
  }
}
