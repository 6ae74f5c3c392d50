import type { SystemTx } from '#database';

/** Whose key it is; the same text of another caller is another key. */
export interface KeyOf {
  readonly orgId: string;
  readonly callerId: string;
  readonly key: string;
}

export interface KeptAnswer {
  readonly fingerprint: string;
  readonly wrapped_answer: string | null;
}

/** True for the first request with this key. */
export async function claimKey(
  tx: SystemTx,
  { orgId, callerId, key }: KeyOf,
  fingerprint: string,
): Promise<boolean> {
  const inserted = await tx.change(
    `INSERT INTO idempotency_keys (org_id, caller_id, key, fingerprint) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING`,
    [orgId, callerId, key, fingerprint],
  );
  return inserted > 0;
}

export async function readKey(
  tx: SystemTx,
  { orgId, callerId, key }: KeyOf,
): Promise<KeptAnswer | undefined> {
  return tx.one<KeptAnswer>(
    'SELECT fingerprint, wrapped_answer FROM idempotency_keys WHERE org_id = $1 AND caller_id = $2 AND key = $3',
    [orgId, callerId, key],
  );
}

export async function storeAnswer(
  tx: SystemTx,
  { orgId, callerId, key }: KeyOf,
  wrapped: string,
): Promise<void> {
  await tx.query(
    'UPDATE idempotency_keys SET wrapped_answer = $4 WHERE org_id = $1 AND caller_id = $2 AND key = $3',
    [orgId, callerId, key, wrapped],
  );
}

export async function releaseKey(tx: SystemTx, { orgId, callerId, key }: KeyOf): Promise<void> {
  await tx.query('DELETE FROM idempotency_keys WHERE org_id = $1 AND caller_id = $2 AND key = $3', [
    orgId,
    callerId,
    key,
  ]);
}
