import type { SystemTx } from '#database';

/** What an operator ordered. */
export interface ReadOnlyOrder {
  readonly reason: string;
  readonly ordered_by: string;
  readonly since: Date;
}

export async function readOrder(tx: SystemTx): Promise<ReadOnlyOrder | undefined> {
  return tx.one<ReadOnlyOrder>('SELECT reason, ordered_by, since FROM read_only_order');
}

/** Answers what was ordered before. */
export async function writeOrder(
  tx: SystemTx,
  order: { reason: string; orderedBy: string },
): Promise<ReadOnlyOrder | undefined> {
  const before = await tx.one<ReadOnlyOrder>(
    'SELECT reason, ordered_by, since FROM read_only_order FOR UPDATE',
  );
  await tx.query(
    `INSERT INTO read_only_order (reason, ordered_by) VALUES ($1, $2)
     ON CONFLICT (one) DO UPDATE SET reason = excluded.reason, ordered_by = excluded.ordered_by`,
    [order.reason, order.orderedBy],
  );
  return before;
}

/** Answers what was ordered; undefined where nothing was. */
export async function deleteOrder(tx: SystemTx): Promise<ReadOnlyOrder | undefined> {
  return tx.one<ReadOnlyOrder>('DELETE FROM read_only_order RETURNING reason, ordered_by, since');
}

/** The platform organization; undefined before the set-up. */
export async function readPlatformOrg(tx: SystemTx): Promise<{ id: string; slug: string } | undefined> {
  return tx.one<{ id: string; slug: string }>(`SELECT id, slug FROM organizations WHERE kind = 'platform'`);
}

/** Throws where the database is away. */
export async function ping(tx: SystemTx): Promise<void> {
  await tx.query('SELECT 1');
}
