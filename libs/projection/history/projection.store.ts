import type { OrgTx, SystemTx } from '#database';
import type { Fact } from '../verdict/verdict.ts';
import type { FactKind, Verdict } from '../verdict/vocabulary.ts';
import { desiredOf, type SurfaceRow } from '../surfaces/surface.store.ts';
import type { Inputs, Snapshot } from './snapshot.ts';

/** A surface with everything its verdict rests on, and what was recorded of it last. */
export interface Subject extends Inputs {
  readonly id: string;
  readonly orgId: string;
  readonly key: string;
  readonly name: string;
  readonly recorded: Recorded | undefined;
}

export interface Recorded {
  readonly snapshot: Snapshot;
  /** When the next fact expires, epoch milliseconds; undefined where none was fresh. */
  readonly expiresAt: number | undefined;
}

type SubjectRow = Omit<SurfaceRow, 'description' | 'created_at' | 'updated_at'> & {
  org_id: string;
  slug: string;
  facts: (Fact & { kind: FactKind })[] | null;
  owners: Partial<Record<FactKind, string>> | null;
  snapshot: Snapshot | null;
  expires_at: Date | null;
};

const MS = (column: string): string => `floor(extract(epoch FROM ${column}) * 1000)::bigint`;

/** By keys alone: the history of a surface costs its verdict nothing. */
const SUBJECTS = `
  SELECT s.org_id, s.id, s.key, s.name, s.auth_mode, s.onboarding_status, s.session_handoff, s.admin_posture,
         s.require_evidence, s.generation, o.slug, p.snapshot, p.expires_at,
         (SELECT jsonb_agg(jsonb_build_object('kind', c.kind, 'revision', f.revision, 'generation', f.generation,
                   'authorityId', f.authority_id, 'observedAt', ${MS('f.observed_at')},
                   'receivedAt', ${MS('f.received_at')}, 'ttlSeconds', f.ttl_seconds, 'data', f.data,
                   'hasEvidence', f.evidence IS NOT NULL, 'inConflict', c.in_conflict))
            FROM current_facts c JOIN surface_facts f ON f.id = c.fact_id WHERE c.surface_id = s.id) AS facts,
         (SELECT jsonb_object_agg(a.kind, a.id) FROM (
            SELECT DISTINCT ON (kind) kind, CASE WHEN service_account_id IS NOT NULL THEN id END AS id
              FROM fact_authorities
             WHERE org_id = s.org_id AND ended_at IS NULL AND (surface_id IS NULL OR surface_id = s.id)
             ORDER BY kind, surface_id NULLS LAST) a) AS owners
    FROM surfaces s JOIN organizations o ON o.id = s.org_id
    LEFT JOIN projection_states p ON p.surface_id = s.id`;

export async function readSubject(tx: OrgTx, id: string): Promise<Subject | undefined> {
  const rows = await tx.prepared<SubjectRow>(
    'projection_subject',
    `${SUBJECTS} WHERE s.org_id = $1 AND s.id = $2`,
    [tx.orgId, id],
  );
  return rows[0] && subjectOf(rows[0]);
}

export async function readSubjects(tx: OrgTx | SystemTx, ids: readonly string[]): Promise<Subject[]> {
  const rows = await tx.query<SubjectRow>(`${SUBJECTS} WHERE s.id = ANY ($1::uuid[]) ORDER BY s.id DESC`, [
    ids,
  ]);
  return rows.map(subjectOf);
}

/** A page of them, newest surface first. */
export async function readSubjectPage(tx: OrgTx, limit: number, before?: string): Promise<Subject[]> {
  const rows = await tx.prepared<SubjectRow>(
    'projection_subjects',
    `${SUBJECTS} WHERE s.org_id = $1 AND ($2::uuid IS NULL OR s.id < $2) ORDER BY s.id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
  return rows.map(subjectOf);
}

/** Another text wherever something that verdicts of the organization rest on has changed. */
export async function readFingerprint(tx: OrgTx): Promise<string> {
  const [row] = await tx.prepared<{ mark: string | null }>(
    'projection_fingerprint',
    `SELECT md5(string_agg(surface_id::text || version, ',' ORDER BY surface_id)) AS mark
       FROM projection_states WHERE org_id = $1`,
    [tx.orgId],
  );
  return row?.mark ?? '';
}

function subjectOf(row: SubjectRow): Subject {
  const facts = Object.fromEntries((row.facts ?? []).map(({ kind, ...fact }) => [kind, fact]));
  // JSON has null for an authority whose account is gone.
  const owners = Object.fromEntries(Object.entries(row.owners ?? {}).filter(([, id]) => id !== null));
  return {
    id: row.id,
    orgId: row.org_id,
    key: row.key,
    name: row.name,
    facts,
    policy: {
      generation: row.generation,
      desired: desiredOf(row),
      requireEvidence: row.require_evidence,
      tenants: [row.org_id, row.slug],
      owners,
    },
    recorded: recordedOf(row),
  };
}

function recordedOf(row: { snapshot: Snapshot | null; expires_at: Date | null }): Recorded | undefined {
  return row.snapshot === null ? undefined : { snapshot: row.snapshot, expiresAt: row.expires_at?.getTime() };
}

// ---- what is recorded -------------------------------------------------------------------------------------

export interface StateWrite {
  readonly orgId: string;
  readonly surfaceId: string;
  readonly snapshot: Snapshot;
  readonly expiresAt: string | null;
}

export async function writeStates(tx: OrgTx | SystemTx, states: readonly StateWrite[]): Promise<void> {
  await tx.query(
    `INSERT INTO projection_states AS p (org_id, surface_id, snapshot, expires_at)
     SELECT "orgId", "surfaceId", snapshot, "expiresAt"
       FROM jsonb_to_recordset($1) AS s ("orgId" uuid, "surfaceId" uuid, snapshot jsonb, "expiresAt" timestamptz)
     ON CONFLICT (surface_id) DO UPDATE
       SET snapshot = excluded.snapshot, expires_at = excluded.expires_at, version = p.version + 1`,
    [JSON.stringify(states)],
  );
}

/** Why something changed: what somebody told or did, or time alone. */
export interface Cause {
  readonly type: 'fact' | 'surface' | 'authority' | 'expiry' | 'observation';
  /** Of the fact or the authority. */
  readonly kind?: FactKind;
  readonly revision?: number;
  readonly authorityId?: string;
  readonly requestId?: string;
}

export interface Transition {
  readonly id: string;
  readonly orgId: string;
  readonly surfaceId: string;
  readonly at: string;
  readonly cause: Cause;
  readonly fromVerdict: Verdict | null;
  readonly snapshot: Snapshot;
}

export async function insertTransitions(tx: OrgTx | SystemTx, all: readonly Transition[]): Promise<void> {
  if (all.length === 0) return;
  await tx.query(
    `INSERT INTO projection_transitions (org_id, id, surface_id, at, cause, from_verdict, snapshot)
     SELECT "orgId", id, "surfaceId", at, cause, "fromVerdict", snapshot
       FROM jsonb_to_recordset($1) AS t ("orgId" uuid, id uuid, "surfaceId" uuid, at timestamptz, cause jsonb,
                                         "fromVerdict" text, snapshot jsonb)`,
    [JSON.stringify(all)],
  );
}

export interface TransitionRow {
  readonly id: string;
  readonly at: Date;
  readonly cause: Cause;
  readonly from_verdict: Verdict | null;
  readonly snapshot: Snapshot;
}

export async function readTransitions(
  tx: OrgTx,
  surfaceId: string,
  limit: number,
  before?: string,
): Promise<TransitionRow[]> {
  return tx.query<TransitionRow>(
    `SELECT id, at, cause, from_verdict, snapshot FROM projection_transitions
      WHERE org_id = $1 AND surface_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
    [tx.orgId, surfaceId, before, limit],
  );
}

/** The last of them at a moment. */
export async function readTransitionAt(
  tx: OrgTx,
  surfaceId: string,
  at: string,
): Promise<TransitionRow | undefined> {
  return tx.one<TransitionRow>(
    `SELECT id, at, cause, from_verdict, snapshot FROM projection_transitions
      WHERE org_id = $1 AND surface_id = $2 AND at <= $3 ORDER BY at DESC, id DESC LIMIT 1`,
    [tx.orgId, surfaceId, at],
  );
}

/** What was recorded of a surface that is in no table. */
export async function readRecorded(
  tx: OrgTx | SystemTx,
  orgId: string,
  ids: readonly string[],
): Promise<Map<string, Recorded>> {
  const rows = await tx.query<{ surface_id: string; snapshot: Snapshot; expires_at: Date | null }>(
    'SELECT surface_id, snapshot, expires_at FROM projection_states WHERE org_id = $1 AND surface_id = ANY ($2::uuid[])',
    [orgId, ids],
  );
  return new Map(
    rows.flatMap((row) => {
      const recorded = recordedOf(row);
      return recorded ? [[row.surface_id, recorded] as const] : [];
    }),
  );
}

/** Surfaces of which a fact has expired since they were recorded, locked as a change of them does. */
export async function lockExpired(tx: SystemTx, now: string, limit: number): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `SELECT s.id FROM projection_states p JOIN surfaces s ON s.id = p.surface_id
      WHERE p.expires_at <= $1 ORDER BY p.expires_at LIMIT $2 FOR UPDATE OF s SKIP LOCKED`,
    [now, limit],
  );
  return rows.map(({ id }) => id);
}

/** False while another process records the deployment's own surfaces. */
export async function isMyTurn(tx: SystemTx): Promise<boolean> {
  const turn = await tx.one<{ mine: boolean }>(
    `SELECT pg_try_advisory_xact_lock(hashtextextended('projection_own', 0)) AS mine`,
  );
  return turn?.mine === true;
}
