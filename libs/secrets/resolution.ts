import type { Audit, AuditEntry } from '#audit';
import type { SystemTx } from '#database';
import { newId } from '#kernel';
import { insertUse } from './uses/use.store.ts';
import type { SecretReference } from './reference.ts';
import type { Resolver } from './secret-store.ts';
import type { ResolvedSecret } from './secret.ts';

/** Where a value came from that the store was not asked for: within its time, or beyond it while the store is away. */
export type Served = 'cache' | 'stale';

/** Records that the product itself got a value. Without it the value is not given. */
export async function recordResolved(
  tx: SystemTx,
  audit: Pick<Audit, 'record'>,
  resolver: Resolver,
  field: string,
  { secretId, path, version, digest }: ResolvedSecret['found'],
  served?: Served,
): Promise<void> {
  const about = entryOf(resolver);
  await insertUse(tx, resolver.orgId, {
    secretId,
    version,
    field,
    kind: 'resolved',
    usedBy: resolver.purpose,
    requestId: about.request.id,
  });
  await audit.record(tx, {
    ...about,
    target: { type: 'secret', id: secretId },
    changes: { path, version, digests: { [field]: digest }, ...(served && { served }) },
    outcome: 'success',
  });
}

/** Records that a value was refused. `secretId` where it is known which. */
export async function recordRefused(
  tx: SystemTx,
  audit: Pick<Audit, 'record'>,
  resolver: Resolver,
  { path, field }: SecretReference,
  reason: string,
  secretId = path,
): Promise<void> {
  await audit.record(tx, {
    ...entryOf(resolver),
    target: { type: 'secret', id: secretId },
    changes: { path, field },
    outcome: 'failure',
    reason,
  });
}

function entryOf({ orgId, purpose }: Resolver): Pick<AuditEntry, 'orgId' | 'actor' | 'action' | 'request'> {
  return {
    orgId,
    actor: { type: 'system', id: purpose },
    action: 'secret.resolved',
    request: { id: newId(), method: 'RESOLVE', route: purpose },
  };
}
