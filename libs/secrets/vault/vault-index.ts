import { Injectable } from '@nestjs/common';
import { Audit, bySystem } from '#audit';
import type { OrgTx, SystemTx } from '#database';
import { type Caller, newId } from '#kernel';
import { SecretFault } from '../secrets.faults.ts';
import { isBeingCreated } from './change.store.ts';
import type { Told } from './custom-metadata.ts';
import {
  deleteVaultSecret,
  findVaultSecret,
  insertVaultSecret,
  type VaultSecretRow,
} from './vault-secret.store.ts';

type Tx = OrgTx | SystemTx;

/**
 * Which id belongs to which path. The server knows paths alone; a secret that was created through us bears its id in
 * custom_metadata, so that what stands at a path after others removed and made it anew is not taken for the same.
 */
@Injectable()
export class VaultIndex {
  constructor(private readonly audit: Audit) {}

  /**
   * The row of what lies at this path. What somebody else put there gets an id, and a record in the organization's
   * log: of the caller where there is one.
   */
  async bind(
    tx: Tx,
    orgId: string,
    path: string,
    { id: borne }: Told,
    caller?: Caller,
  ): Promise<VaultSecretRow> {
    const row = await findVaultSecret(tx, orgId, { path });
    if (row && (await isSame(tx, orgId, row, borne))) return row;
    if (row) await deleteVaultSecret(tx, orgId, row.id);
    for (const id of borne === undefined ? [newId()] : [borne, newId()]) {
      const made = { id, path, adopted: id !== borne };
      if (!(await insertVaultSecret(tx, orgId, made))) continue;
      await this.#record(tx, orgId, made, caller);
      return made;
    }
    const faster = await findVaultSecret(tx, orgId, { path });
    if (!faster) throw SecretFault.not_found();
    return faster;
  }

  /** Of one that others removed from the server. */
  async retire(tx: OrgTx, caller: Caller, { id, path }: VaultSecretRow): Promise<void> {
    await deleteVaultSecret(tx, tx.orgId, id);
    await this.audit.append(tx, caller, {
      action: 'secret.destroyed',
      target: { type: 'secret', id },
      changes: { path, versions: 'all' },
      reason: 'gone_from_store',
    });
  }

  async #record(tx: Tx, orgId: string, { id, path }: VaultSecretRow, caller?: Caller): Promise<void> {
    const note = { action: 'secret.adopted', target: { type: 'secret', id }, changes: { path } } as const;
    if (caller) await this.audit.append(tx, caller, note);
    else await this.audit.record(tx, { ...bySystem('secrets'), ...note, orgId, outcome: 'success' });
  }
}

async function isSame(
  tx: Tx,
  orgId: string,
  row: VaultSecretRow,
  borne: string | undefined,
): Promise<boolean> {
  if (row.id === borne || row.adopted) return true;
  // It gets its id a moment after its first version.
  return borne === undefined && isBeingCreated(tx, orgId, row.id);
}
