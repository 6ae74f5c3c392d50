import { Injectable } from '@nestjs/common';
import { Audit, type AuditAction, type Changes } from '#audit';
import { Database, type OrgTx, type SystemTx } from '#database';
import type { Caller } from '#kernel';
import { OrgKeys } from '../keys/org-keys.ts';
import type { SecretReference } from '../reference.ts';
import { recordRefused, recordResolved } from '../resolution.ts';
import type { FoundValue, Resolver } from '../secret-store.ts';
import type { ResolvedSecret } from '../secret.ts';
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

  /** Without it the value is not given. */
  async resolved(
    tx: SystemTx,
    resolver: Resolver,
    field: string,
    found: ResolvedSecret['found'],
  ): Promise<void> {
    await recordResolved(tx, this.audit, resolver, field, found);
  }

  /** `secretId` where it is known which. */
  async refused(
    tx: SystemTx,
    resolver: Resolver,
    reference: SecretReference,
    reason: string,
    secretId?: string,
  ): Promise<void> {
    await recordRefused(tx, this.audit, resolver, reference, reason, secretId);
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
