import type { Asked, SystemTx } from '#database';

/** A pool of attempts and how many there may be in a window. */
export interface Pool {
  readonly name: string;
  readonly limit: number;
  readonly windowSeconds: number;
}

/** One point of one pool, as it was taken. */
export interface Point {
  readonly pool: string;
  /** When the window ends, as the database writes it. */
  readonly ends: string;
  /** It was the last of its window. */
  readonly last: boolean;
}

export interface Counted {
  /** What was taken and is still held. */
  readonly points: readonly Point[];
  /** The pool that had none left, and the seconds until it has. */
  readonly refusedBy?: { readonly pool: Pool; readonly seconds: number };
}

/**
 * Takes one point of each pool, in order, or refuses; atomically in one statement. The first `kept` pools count
 * even where a later one refuses.
 */
export async function countAttempts(asked: Asked, pools: readonly Pool[], kept: number): Promise<Counted> {
  const [row] = await asked.prepared<{ refused: number; seconds: number; ends: string[]; last: boolean[] }>(
    'count_attempts',
    'SELECT refused, seconds, ends, last FROM count_attempts($1, $2, $3, $4)',
    [
      pools.map(({ name }) => name),
      pools.map(({ limit }) => limit),
      pools.map(({ windowSeconds }) => windowSeconds),
      kept,
    ],
  );
  if (!row) throw new Error('count_attempts answered nothing');
  const points = pools.slice(0, row.ends.length).map(({ name }, index) => ({
    pool: name,
    ends: row.ends[index] ?? '',
    last: row.last[index] ?? false,
  }));
  const pool = pools[row.refused - 1];
  // Of what was refused, the other points were given back at once.
  return pool ? { points: points.slice(0, kept), refusedBy: { pool, seconds: row.seconds } } : { points };
}

/** Gives points back, each to the window it was taken in; to a later window it gives nothing. */
export async function giveBackAttempts(asked: Asked, points: readonly Point[]): Promise<void> {
  await asked.prepared('give_back_attempts', 'SELECT give_back_attempts($1, $2)', [
    points.map(({ pool }) => pool),
    points.map(({ ends }) => ends),
  ]);
}

/** True the first time somebody asks within the window of a point: whoever gets it tells the person. */
export async function announceOnce(tx: SystemTx, { pool, ends }: Point): Promise<boolean> {
  const changed = await tx.change(
    `UPDATE attempt_counters SET announced = true
      WHERE pool = $1 AND window_ends = $2::timestamptz AND NOT announced`,
    [pool, ends],
  );
  return changed > 0;
}
