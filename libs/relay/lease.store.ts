import type { SystemTx } from '#database';

/** Which lane, and that it is still ours. `key`: the values of the table's key columns, in their order. */
export interface Hold {
  readonly key: readonly [string, string];
  readonly owner: string;
  readonly fence: string;
}

export interface ClaimLimits {
  readonly leaseMs: number;
  /** The longest back-off there is. */
  readonly longestMs: number;
  readonly limit: number;
}

/**
 * The leases of one table of lanes. It has two key columns and `lease_owner, lease_until, fence, failures, breaker,
 * retry_at, last_error, last_error_at`. Whoever takes a lease raises the fence, and everything that a holder writes
 * is conditional on owner and fence: a holder that was thought dead writes nothing any more. All by the database's
 * clock.
 */
export class LeaseTable {
  constructor(
    readonly table: string,
    private readonly key: readonly { readonly column: string; readonly type: 'uuid' | 'text' }[],
  ) {}

  /**
   * Whether lane `s` may be taken; $2 is the lease and $3 the longest back-off, both in milliseconds. Times further
   * away than any that is ever set are of a clock that was wrong, and hold nobody up.
   */
  readonly free = `(s.lease_owner IS NULL OR s.lease_until <= clock_timestamp()
               OR s.lease_until > clock_timestamp() + 2 * $2 * interval '1 millisecond')
          AND (s.retry_at IS NULL OR s.retry_at <= clock_timestamp()
               OR s.retry_at > clock_timestamp() + 2 * $3 * interval '1 millisecond')`;

  /** What taking a lane sets; $1 is the new owner. */
  readonly taken = `lease_owner = $1, lease_until = clock_timestamp() + $2 * interval '1 millisecond',
            fence = fence + 1, breaker = CASE WHEN breaker = 'open' THEN 'half_open' ELSE breaker END`;

  /** What going on after failures sets. */
  readonly succeeded = `failures = 0, breaker = 'closed', retry_at = NULL`;

  /** Whether a lane is still the holder's; with `valuesOf` as $1 to $4. */
  get ours(): string {
    const [first, second] = this.#columns;
    return `${first} = $1 AND ${second} = $2 AND lease_owner = $3 AND fence = $4`;
  }

  valuesOf({ key, owner, fence }: Hold): unknown[] {
    return [...key, owner, fence];
  }

  /** Which of the lanes `s` that an owner believes to hold are theirs; with `valuesOfAll` as $1 to $4. */
  get mine(): string {
    const arrays = this.key.map(({ type }, index) => `$${index + 2}::${type}[]`);
    return `s.lease_owner = $1 AND s.lease_until > clock_timestamp()
        AND (${this.#columns.map((column) => `s.${column}`).join(', ')}, s.fence)
         IN (SELECT * FROM unnest(${arrays.join(', ')}, $4::bigint[]))`;
  }

  valuesOfAll(owner: string, held: readonly Hold[]): unknown[] {
    return [
      owner,
      held.map(({ key }) => key[0]),
      held.map(({ key }) => key[1]),
      held.map(({ fence }) => fence),
    ];
  }

  /** Holds these leases longer. */
  async renew(tx: SystemTx, owner: string, held: readonly Hold[], leaseMs: number): Promise<void> {
    await tx.query(
      `UPDATE ${this.table} s SET lease_until = clock_timestamp() + $5 * interval '1 millisecond'
        WHERE ${this.mine} AND s.lease_until < clock_timestamp() + 0.7 * $5 * interval '1 millisecond'`,
      [...this.valuesOfAll(owner, held), leaseMs],
    );
  }

  /** Writes to a lane that is still the holder's; $5 and on are `values`. False where it is another's by now. */
  async write(tx: SystemTx, hold: Hold, assignments: string, values: unknown[] = []): Promise<boolean> {
    const changed = await tx.change(`UPDATE ${this.table} s SET ${assignments} WHERE ${this.ours}`, [
      ...this.valuesOf(hold),
      ...values,
    ]);
    return changed > 0;
  }

  /** Holds the row until the transaction ends. False where the lane is another's by now. */
  async lock(tx: SystemTx, hold: Hold): Promise<boolean> {
    const sql = `SELECT 1 FROM ${this.table} WHERE ${this.ours} FOR UPDATE`;
    return (await tx.one(sql, this.valuesOf(hold))) !== undefined;
  }

  /** Gives a lane back after a failure; `waitMs` until somebody may try again. */
  async releaseFailed(
    tx: SystemTx,
    hold: Hold,
    { code, breaker, waitMs }: { code: string; breaker: string; waitMs: number },
  ): Promise<void> {
    await this.write(
      tx,
      hold,
      `failures = failures + 1, breaker = $5, last_error = $6, last_error_at = clock_timestamp(),
       retry_at = clock_timestamp() + $7 * interval '1 millisecond', lease_owner = NULL, lease_until = NULL`,
      [breaker, code, waitMs],
    );
  }

  get #columns(): string[] {
    return this.key.map(({ column }) => column);
  }
}
