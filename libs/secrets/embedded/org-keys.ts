import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import type { OrgTx, SystemTx } from '#database';
import { type Caller, newId } from '#kernel';
import { MasterKey } from '../master-key.ts';
import { SecretFault } from '../secrets.faults.ts';
import { OrgKey } from './org-key.ts';
import { destroyOrgKey, insertOrgKey, readOrgKey } from './org-key.store.ts';

/**
 * The keys of organizations. None is remembered: a key comes with the row that it opens, and is opened for that
 * alone, so that one which was destroyed opens nothing from then on, in any process.
 */
@Injectable()
export class OrgKeys {
  constructor(
    private readonly masterKey: MasterKey,
    private readonly audit: Audit,
  ) {}

  /** The key of the caller's organization; made where it is needed first. Fault: `secrets.unreadable`. */
  async current(tx: OrgTx, caller: Caller): Promise<OrgKey> {
    const row = (await readOrgKey(tx, tx.orgId)) ?? (await this.#create(tx, caller));
    return this.open(tx.orgId, row.id, row.wrapped_key);
  }

  /** The same, or undefined where the organization has none yet. */
  async existing(tx: OrgTx): Promise<OrgKey | undefined> {
    const row = await readOrgKey(tx, tx.orgId);
    return row && this.open(tx.orgId, row.id, row.wrapped_key);
  }

  /** Fault: `secrets.unreadable`. */
  open(orgId: string, id: string | null, wrapped: string | null): OrgKey {
    if (id === null || wrapped === null) throw SecretFault.unreadable({ detail: 'the key was destroyed' });
    try {
      return OrgKey.open(this.masterKey, orgId, id, wrapped);
    } catch (cause) {
      throw SecretFault.unreadable({ detail: `the key ${id} does not open`, cause });
    }
  }

  /** Makes every secret of an organization unreadable for ever. Records it in the log of the caller's. */
  async destroy(tx: SystemTx, caller: Caller, orgId: string): Promise<void> {
    const id = await destroyOrgKey(tx, orgId);
    if (id === undefined) return;
    await this.audit.append(tx, caller, {
      action: 'org_key.destroyed',
      target: { type: 'org_key', id },
      changes: { organization: { from: orgId } },
    });
  }

  async #create(tx: OrgTx, caller: Caller): Promise<{ id: string; wrapped_key: string | null }> {
    const id = newId();
    const made = await insertOrgKey(tx, id, OrgKey.wrapped(this.masterKey, tx.orgId, id));
    if (made)
      await this.audit.append(tx, caller, { action: 'org_key.created', target: { type: 'org_key', id } });
    const row = await readOrgKey(tx, tx.orgId);
    if (!row) throw SecretFault.unreadable({ detail: 'the key of the organization is gone' });
    return row;
  }
}
