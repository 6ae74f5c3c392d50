/** How a lane waits after failures: full jitter, and after several in a row a breaker that lets one try through. */
export interface BackOff {
  readonly firstMs: number;
  readonly longestMs: number;
  /** Failures in a row that open the breaker. */
  readonly breakAfter: number;
}

export const backOff: BackOff = { firstMs: 1_000, longestMs: 300_000, breakAfter: 5 };

/**
 * Milliseconds until the next try after `failures` in a row (at least 1): anywhere up to the step, so that many
 * lanes that failed together do not come back together. What the receiver asked for is waited at least, up to the
 * longest.
 */
export function waitAfter(
  failures: number,
  retryAfterSeconds: number | undefined,
  { firstMs, longestMs }: BackOff,
  random: () => number = Math.random,
): number {
  const step = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 30));
  const asked = Math.min(longestMs, (retryAfterSeconds ?? 0) * 1_000);
  return Math.max(asked, Math.round(random() * step));
}
