import type { SystemTx } from '#database';

/** The organization of the deployment itself; undefined before the set-up. */
export async function findPlatformId(tx: SystemTx): Promise<string | undefined> {
  return (await tx.one<{ id: string }>(`SELECT id FROM organizations WHERE kind = 'platform'`))?.id;
}
