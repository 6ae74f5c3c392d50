/** Comparing durations of a noisy machine: ranks, not means, so that an outlier weighs no more than any other. */

export interface Comparison {
  /** Milliseconds. */
  readonly medianA: number;
  readonly medianB: number;
  /**
   * The chance that a duration of A is longer than one of B (ties half): 0.5 where they cannot be told apart. What an
   * observer who guesses from one duration each is right by. U / (n·m) of Mann and Whitney (1947).
   */
  readonly auc: number;
  /** Two-sided p-value of U by the normal approximation. */
  readonly p: number;
}

export function compare(a: readonly number[], b: readonly number[]): Comparison {
  const all = [...a.map((value) => ({ value, of: 'a' })), ...b.map((value) => ({ value, of: 'b' }))];
  all.sort((x, y) => x.value - y.value);
  let rankSum = 0;
  for (let start = 0; start < all.length;) {
    let end = start;
    while (end < all.length && all[end]?.value === all[start]?.value) end += 1;
    // Ranks from 1; ties share their mean.
    const rank = (start + 1 + end) / 2;
    for (let at = start; at < end; at += 1) if (all[at]?.of === 'a') rankSum += rank;
    start = end;
  }
  const [n, m] = [a.length, b.length];
  const u = rankSum - (n * (n + 1)) / 2;
  const z = (u - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12);
  return { medianA: median(a), medianB: median(b), auc: u / (n * m), p: 2 * upperTail(Math.abs(z)) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

/** 1 - Φ(z) for z >= 0: Abramowitz and Stegun 26.2.17, to 7.5e-8. */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const poly =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * poly;
}
