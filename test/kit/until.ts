import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `condition` holds; what it holds at last. `withinMs` is when to give up: no spec may prove a time by it. */
export async function until<T>(
  condition: () => Promise<T | undefined | false>,
  withinMs = 180_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline)
      throw new Error(`it did not become true in ${withinMs} ms: ${condition.toString()}`);
    await sleep(20);
  }
}
