import type { OrgTx, SystemTx } from '#database';
import type { SurfaceValues } from '../verdict/vocabulary.ts';

export interface SurfaceRow {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly auth_mode: SurfaceValues['authMode'];
  readonly onboarding_status: SurfaceValues['onboardingStatus'];
  readonly session_handoff: SurfaceValues['sessionHandoff'];
  readonly admin_posture: SurfaceValues['adminPosture'];
  readonly require_evidence: boolean;
  readonly generation: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = `id, key, name, description, auth_mode, onboarding_status, session_handoff, admin_posture,
  require_evidence, generation, created_at, updated_at`;

export async function readSurfaces(tx: OrgTx, limit: number, before?: string): Promise<SurfaceRow[]> {
  return tx.query<SurfaceRow>(
    `SELECT ${COLUMNS} FROM surfaces WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

export async function readSurface(tx: OrgTx, id: string): Promise<SurfaceRow | undefined> {
  return tx.one<SurfaceRow>(`SELECT ${COLUMNS} FROM surfaces WHERE org_id = $1 AND id = $2`, [tx.orgId, id]);
}

/** Those of these ids that there are. */
export async function existingSurfaces(
  tx: OrgTx | SystemTx,
  orgId: string,
  ids: readonly string[],
): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    'SELECT id FROM surfaces WHERE org_id = $1 AND id = ANY($2) ORDER BY id',
    [orgId, ids],
  );
  return rows.map(({ id }) => id);
}

/** Locked, so that what its verdict rests on changes one after the other. */
export async function lockSurface(tx: OrgTx, id: string): Promise<SurfaceRow | undefined> {
  return tx.one<SurfaceRow>(`SELECT ${COLUMNS} FROM surfaces WHERE org_id = $1 AND id = $2 FOR UPDATE`, [
    tx.orgId,
    id,
  ]);
}

/** The ids of all surfaces of the organization, or of one, locked in one order. */
export async function lockSurfaces(tx: OrgTx, only: string | undefined): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    'SELECT id FROM surfaces WHERE org_id = $1 AND ($2::uuid IS NULL OR id = $2) ORDER BY id FOR UPDATE',
    [tx.orgId, only],
  );
  return rows.map(({ id }) => id);
}

/** Of two that are made at once one waits, so that the count holds. */
export async function countSurfaces(tx: OrgTx): Promise<number> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('surfaces:' || $1, 0))`, [tx.orgId]);
  const row = await tx.one<{ count: string }>('SELECT count(*) FROM surfaces WHERE org_id = $1', [tx.orgId]);
  return Number(row?.count);
}

export interface NewSurface {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly desired: SurfaceValues;
  readonly requireEvidence: boolean;
}

/** Undefined where the key is taken. */
export async function insertSurface(tx: OrgTx, surface: NewSurface): Promise<SurfaceRow | undefined> {
  const { id, key, name, description, desired, requireEvidence } = surface;
  return tx.one<SurfaceRow>(
    `INSERT INTO surfaces (org_id, id, key, name, description, auth_mode, onboarding_status, session_handoff,
                           admin_posture, require_evidence)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (org_id, key) DO NOTHING RETURNING ${COLUMNS}`,
    [tx.orgId, id, key, name, description, ...valuesOf(desired), requireEvidence],
  );
}

export async function updateSurface(
  tx: OrgTx,
  surface: Omit<NewSurface, 'key'> & { generation: number },
): Promise<SurfaceRow | undefined> {
  const { id, name, description, desired, requireEvidence, generation } = surface;
  return tx.one<SurfaceRow>(
    `UPDATE surfaces SET name = $3, description = $4, auth_mode = $5, onboarding_status = $6, session_handoff = $7,
            admin_posture = $8, require_evidence = $9, generation = $10, updated_at = now()
      WHERE org_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [tx.orgId, id, name, description, ...valuesOf(desired), requireEvidence, generation],
  );
}

/** With its facts and its history. */
export async function deleteSurface(tx: OrgTx, id: string): Promise<void> {
  await tx.query('DELETE FROM projection_states WHERE org_id = $1 AND surface_id = $2', [tx.orgId, id]);
  await tx.query('DELETE FROM projection_transitions WHERE org_id = $1 AND surface_id = $2', [tx.orgId, id]);
  await tx.query('DELETE FROM surfaces WHERE org_id = $1 AND id = $2', [tx.orgId, id]);
}

export function desiredOf(row: Pick<SurfaceRow, (typeof DESIRED)[number]>): SurfaceValues {
  return {
    authMode: row.auth_mode,
    onboardingStatus: row.onboarding_status,
    sessionHandoff: row.session_handoff,
    adminPosture: row.admin_posture,
  };
}

const DESIRED = ['auth_mode', 'onboarding_status', 'session_handoff', 'admin_posture'] as const;

function valuesOf({ authMode, onboardingStatus, sessionHandoff, adminPosture }: SurfaceValues): string[] {
  return [authMode, onboardingStatus, sessionHandoff, adminPosture];
}
