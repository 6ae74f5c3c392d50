import { Injectable } from '@nestjs/common';
import { Audit, bySystem } from '#audit';
import type { OrgTx, SystemTx } from '#database';
import { type Caller, newId } from '#kernel';
import { MasterKey } from '../master-key.ts';
import { SecretFault } from '../secrets.faults.ts';
import { OrgKey } from './org-key.ts';
import { destroyOrgKey, insertOrgKey, type OrgKeyRow, readOrgKey } from './org-key.store.ts';

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
    const { orgId } = tx;
    const row = await this.#ensure(tx, orgId, (id) =>
      this.audit.append(tx, caller, { action: 'org_key.created', target: { type: 'org_key', id } }),
    );
    return this.open(orgId, row.id, row.wrapped_key);
  }

  /** The same for the product itself. Fault, beside: `secrets.not_found`, where there is no such organization. */
  async currentOf(tx: SystemTx, orgId: string): Promise<OrgKey> {
    const row = await this.#ensure(tx, orgId, (id) =>
      this.audit.record(tx, {
        ...bySystem('secrets'),
        orgId,
        action: 'org_key.created',
        target: { type: 'org_key', id },
        outcome: 'success',
      }),
    );
    return this.open(orgId, row.id, row.wrapped_key);
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

  async #ensure(
    tx: OrgTx | SystemTx,
    orgId: string,
    created: (id: string) => Promise<void>,
  ): Promise<OrgKeyRow> {
    const known = await readOrgKey(tx, orgId);
    if (known) return known;
    const id = newId();
    if (await insertOrgKey(tx, orgId, id, OrgKey.wrapped(this.masterKey, orgId, id))) await created(id);
    const row = await readOrgKey(tx, orgId);
    if (!row) throw SecretFault.not_found({ detail: 'the organization is gone' });
    return row;
  }
}
