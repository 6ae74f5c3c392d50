import type { SystemTx } from '#database';

/** Lets every process forget what it holds of a path; the transaction answers when none serves it any more. */
export async function forgetSecret(tx: SystemTx, orgId: string, path: string): Promise<void> {
  await tx.query('SELECT forget_secret($1, $2)', [orgId, path]);
}
