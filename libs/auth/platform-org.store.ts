import type { SystemTx } from '#database';

/** The organization whose log holds what concerns the whole deployment; undefined before the set-up. */
export async function platformOrgId(tx: SystemTx): Promise<string | undefined> {
  return (await tx.one<{ id: string }>(`SELECT id FROM organizations WHERE kind = 'platform'`))?.id;
}
