import { Injectable } from '@nestjs/common';
import { Audit, type AuditAction, type Changes } from '#audit';
import { Database, type OrgTx, type SystemTx } from '#database';
import { type Caller, type Fault, newId } from '#kernel';
import { OrgKeys } from '../keys/org-keys.ts';
import type { FoundValue, Purpose, Resolver } from '../secret-store.ts';
import { findDigest, insertUse } from './use.store.ts';

/** Places of one value, and uses in each, that a search tells. */
const MAX_FOUND = 100;

/** Which version of which secret; its digests tell the values to whoever has them. */
export interface Used {
  readonly id: string;
  readonly path: string;
  readonly version: number;
  readonly digests: Readonly<Record<string, string>>;
}

/** One resolution: who asks, for what, and by which number it is known. */
export interface Resolving {
  readonly orgId: string;
  readonly purpose: Purpose;
  readonly requestId: string;
}

/** What every store writes of what is done to secrets, and who got which value: in the log, and to search by. */
@Injectable()
export class SecretLog {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly keys: OrgKeys,
  ) {}

  /** With a reason where it failed. */
  async changed(
    tx: OrgTx,
    caller: Caller,
    action: AuditAction,
    id: string,
    changes: Changes,
    reason?: string,
  ): Promise<void> {
    const outcome = reason === undefined ? 'success' : 'failure';
    await this.audit.append(tx, caller, { action, target: { type: 'secret', id }, changes, outcome, reason });
  }

  async revealed(tx: OrgTx, caller: Caller, { id, path, version, digests }: Used): Promise<void> {
    const use = { secretId: id, version, field: undefined, kind: 'revealed' } as const;
    const usedBy = `${caller.kind}:${caller.id}`;
    await insertUse(tx, caller.org.id, { ...use, usedBy, requestId: caller.request.id });
    await this.changed(tx, caller, 'secret.revealed', id, { path, version, digests });
  }

  resolving({ orgId, purpose }: Resolver): Resolving {
    return { orgId, purpose, requestId: newId() };
  }

  /** `digests` has the one field. */
  async resolved(
    tx: SystemTx,
    { orgId, purpose, requestId }: Resolving,
    field: string,
    { id, path, version, digests }: Used,
  ): Promise<void> {
    const use = { secretId: id, version, field, kind: 'resolved' } as const;
    await insertUse(tx, orgId, { ...use, usedBy: purpose, requestId });
    await this.audit.record(tx, {
      ...about({ orgId, purpose, requestId }),
      target: { type: 'secret', id },
      changes: { path, version, digests },
      outcome: 'success',
    });
  }

  /** `id` where it is known. */
  async notResolved(
    tx: SystemTx,
    resolving: Resolving,
    { path, field }: { path: string; field: string },
    { code }: Fault,
    id?: string,
  ): Promise<void> {
    await this.audit.record(tx, {
      ...about(resolving),
      target: { type: 'secret', id: id ?? path },
      changes: { path, field },
      outcome: 'failure',
      reason: code,
    });
  }

  async find(caller: Caller, value: string): Promise<readonly FoundValue[]> {
    return this.database.inOrg(caller, async (tx) => {
      const digest = (await this.keys.existing(tx))?.digest(value);
      const rows = digest === undefined ? [] : await findDigest(tx, digest, MAX_FOUND);
      await this.audit.append(tx, caller, {
        action: 'secret.searched',
        target: { type: 'organization', id: tx.orgId },
        changes: { digest: digest ?? null, found: rows.length },
      });
      return rows.map(({ secret_id: secretId, ...found }) => ({ secretId, ...found }));
    });
  }
}

function about({ orgId, purpose, requestId }: Resolving) {
  const actor = { type: 'system', id: purpose } as const;
  const request = { id: requestId, method: 'RESOLVE', route: purpose };
  return { orgId, actor, action: 'secret.resolved', request } as const;
}
