import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';
import type { SecretSettings } from '../secret-store.ts';

export type ChangeKind = 'created' | 'written' | 'updated' | 'deleted' | 'undeleted' | 'destroyed';

/** What a change comes to where it takes place. No value is in it. */
export interface Intent {
  /** The version that is written. */
  readonly version?: number;
  readonly digests?: Readonly<Record<string, string>>;
  /** Of a secret that is created. */
  readonly settings?: SecretSettings;
  /** Which are changed; all where unsaid. */
  readonly versions?: readonly number[] | undefined;
}

export interface ChangeRow {
  readonly id: string;
  readonly org_id: string;
  readonly secret_id: string;
  readonly path: string;
  readonly kind: ChangeKind;
  readonly intent: Intent;
}

type Tx = OrgTx | SystemTx;
const COLUMNS = 'id, org_id, secret_id, path, kind, intent';

export async function insertChange(
  tx: Tx,
  orgId: string,
  { secretId, path, kind, intent }: { secretId: string; path: string; kind: ChangeKind; intent: Intent },
): Promise<string> {
  const id = newId();
  await tx.query(
    'INSERT INTO vault_changes (org_id, id, secret_id, path, kind, intent) VALUES ($1, $2, $3, $4, $5, $6)',
    [orgId, id, secretId, path, kind, JSON.stringify(intent)],
  );
  return id;
}

/** False where somebody else has ended it. */
export async function deleteChange(tx: Tx, orgId: string, id: string): Promise<boolean> {
  return (await tx.change('DELETE FROM vault_changes WHERE org_id = $1 AND id = $2', [orgId, id])) > 0;
}

/** Whether the secret at this path is being created. */
export async function isBeingCreated(tx: Tx, orgId: string, secretId: string): Promise<boolean> {
  const row = await tx.one(
    `SELECT 1 FROM vault_changes WHERE org_id = $1 AND secret_id = $2 AND kind = 'created' LIMIT 1`,
    [orgId, secretId],
  );
  return row !== undefined;
}

/** Those whose process is surely no longer at them, oldest first; of one secret or of any. */
export async function readAbandoned(
  tx: Tx,
  olderThanSeconds: number,
  limit: number,
  of?: { orgId: string; path: string },
): Promise<ChangeRow[]> {
  return tx.query<ChangeRow>(
    `SELECT ${COLUMNS} FROM vault_changes
      WHERE started_at < now() - make_interval(secs => $1)
        AND ($3::uuid IS NULL OR org_id = $3 AND path = $4)
      ORDER BY started_at LIMIT $2`,
    [olderThanSeconds, limit, of?.orgId, of?.path],
  );
}
