/** One line of the report: what was measured, beside its physical limit of the same run. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly limit?: { readonly what: string; readonly value: number };
  /** As a rule value / limit; what it is instead stands in `what`. */
  readonly ratio?: number;
  readonly aim?: { readonly text: string; readonly met: boolean };
}

/** All that one benchmark says: the figures, and the single rounds behind the medians. */
export interface Result {
  readonly name: string;
  readonly title: string;
  readonly figures: Figure[];
  readonly rounds: unknown[];
}

export interface Plan {
  readonly rounds: number;
  /** Seconds that one measurement lasts. */
  readonly seconds: number;
  readonly quick: boolean;
  /** Long logs as long as they are promised to work. */
  readonly full: boolean;
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** Nearest rank. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] ?? NaN;
}

/** The median of one number of each round. */
export function medianOf<R>(rounds: readonly R[], pick: (round: R) => number): number {
  return median(rounds.map(pick));
}

export function printResult({ title, figures }: Result): void {
  const head = ['', 'measured', 'limit in the same run', 'ratio', 'aim', 'met'];
  const rows = figures.map(({ what, value, unit, limit, ratio, aim }) => [
    what,
    `${short(value)} ${unit}`,
    limit ? `${short(limit.value)} (${limit.what})` : '',
    ratio === undefined ? '' : short(ratio),
    aim?.text ?? '',
    aim ? (aim.met ? 'yes' : 'NO') : '',
  ]);
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  console.log(`\n${title}\n`);
  console.log(line(head));
  console.log(`| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  for (const row of rows) console.log(line(row));
}

function short(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}
