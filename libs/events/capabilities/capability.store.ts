import type { Asked, OrgTx } from '#database';
import type { CapabilityState } from './lifecycle.ts';
import type { Manifest, Registered } from './manifest.ts';

export interface CapabilityRow {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly product: string;
  readonly state: CapabilityState;
  readonly digest: string;
  readonly manifest: Manifest;
  readonly proposed_at: Date;
  readonly changed_at: Date;
}

const COLUMNS = `id, name, version, product, state, encode(digest, 'hex') AS digest, manifest, proposed_at, changed_at`;

/** One step at a time in an organization: each reads what the others may change. */
export async function lockRegistry(tx: OrgTx): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('capabilities:' || $1, 0))`, [tx.orgId]);
}

/** False where this version is there already. */
export async function insertCapability(
  tx: OrgTx,
  id: string,
  manifest: Manifest,
  digest: Buffer,
): Promise<boolean> {
  const inserted = await tx.change(
    `INSERT INTO capabilities (org_id, id, name, version, product, manifest, digest)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org_id, name, version) DO NOTHING`,
    [tx.orgId, id, manifest.name, manifest.version, manifest.product, JSON.stringify(manifest), digest],
  );
  return inserted > 0;
}

export async function findCapability(tx: OrgTx, id: string): Promise<CapabilityRow | undefined> {
  return tx.one<CapabilityRow>(`SELECT ${COLUMNS} FROM capabilities WHERE org_id = $1 AND id = $2`, [
    tx.orgId,
    id,
  ]);
}

export async function readCapabilities(
  tx: OrgTx,
  { state, limit, before }: { state: CapabilityState | undefined; limit: number; before: string | undefined },
): Promise<CapabilityRow[]> {
  return tx.query<CapabilityRow>(
    `SELECT ${COLUMNS} FROM capabilities
      WHERE org_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR id < $3)
      ORDER BY id DESC LIMIT $4`,
    [tx.orgId, state ?? null, before ?? null, limit],
  );
}

/** Below so many versions may stand (admitted or active) at once, so that a check sees all of them. */
export const MOST_STANDING = 1_000;

/** What a check compares with: all that is admitted or active. */
export async function readStanding(tx: OrgTx): Promise<(Registered & { id: string; digest: string })[]> {
  return tx.query(
    `SELECT id, name, version, state, manifest, encode(digest, 'hex') AS digest FROM capabilities
      WHERE org_id = $1 AND state IN ('admitted', 'active') ORDER BY id LIMIT ${MOST_STANDING}`,
    [tx.orgId],
  );
}

export async function setState(tx: OrgTx, id: string, state: CapabilityState): Promise<void> {
  await tx.query('UPDATE capabilities SET state = $3, changed_at = now() WHERE org_id = $1 AND id = $2', [
    tx.orgId,
    id,
    state,
  ]);
}

export interface StepRow {
  readonly id: string;
  readonly action: string;
  readonly from_state: string | null;
  readonly to_state: string;
  readonly actor_type: string;
  readonly actor_id: string;
  readonly reason: string | null;
  readonly at: Date;
}

export async function insertStep(
  tx: OrgTx,
  capabilityId: string,
  { id, action, from_state, to_state, actor_type, actor_id, reason }: Omit<StepRow, 'at'>,
): Promise<void> {
  await tx.query(
    `INSERT INTO capability_steps (org_id, capability_id, id, action, from_state, to_state, actor_type, actor_id, reason)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [tx.orgId, capabilityId, id, action, from_state, to_state, actor_type, actor_id, reason],
  );
}

export async function readSteps(
  tx: OrgTx,
  capabilityId: string,
  { limit, before }: { limit: number; before: string | undefined },
): Promise<StepRow[]> {
  return tx.query<StepRow>(
    `SELECT id, action, from_state, to_state, actor_type, actor_id, reason, at FROM capability_steps
      WHERE org_id = $1 AND capability_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
    [tx.orgId, capabilityId, before ?? null, limit],
  );
}

/** The active version of a capability, in an organization that is itself active. */
export async function readActive(
  database: Asked,
  orgId: string,
  name: string,
): Promise<{ id: string; version: string } | undefined> {
  const rows = await database.prepared<{ id: string; version: string }>(
    'active_capability',
    `SELECT c.id, c.version FROM capabilities c JOIN organizations o ON o.id = c.org_id
      WHERE c.org_id = $1 AND c.name = $2 AND c.state = 'active' AND o.status = 'active'`,
    [orgId, name],
  );
  return rows[0];
}
