import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';
import type { Alphabet } from './generated-value.ts';

export interface RotationRow {
  readonly field: string;
  readonly length: number;
  readonly alphabet: Alphabet;
  readonly every_seconds: number | null;
  readonly overlap_seconds: number;
  readonly hook: { readonly url: string; readonly hmacKey: string } | null;
  readonly next_at: Date | null;
}

export interface RunRow {
  readonly id: string;
  readonly secret_id: string;
  readonly state: 'started' | 'rotated' | 'ended' | 'failed';
  readonly started_at: Date;
  readonly from_version: number | null;
  readonly to_version: number | null;
  readonly retire_at: Date | null;
  readonly ended_at: Date | null;
  readonly failure: string | null;
}

/** A run that is under way, with what it goes by. */
export interface OpenRun extends RunRow, RotationRow {
  readonly org_id: string;
}

const ROTATION = 'field, length, alphabet, every_seconds, overlap_seconds, hook, next_at';
const RUN = 'id, secret_id, state, started_at, from_version, to_version, retire_at, ended_at, failure';

export async function upsertRotation(
  tx: OrgTx,
  secretId: string,
  rotation: Omit<RotationRow, 'next_at'>,
): Promise<RotationRow | undefined> {
  return tx.one<RotationRow>(
    `INSERT INTO secret_rotations (org_id, secret_id, field, length, alphabet, every_seconds, overlap_seconds, hook, next_at)
     VALUES ($1, $2, $3, $4, $5, $6::int, $7, $8, now() + make_interval(secs => $6::int))
     ON CONFLICT (org_id, secret_id) DO UPDATE
        SET field = $3, length = $4, alphabet = $5, every_seconds = $6::int, overlap_seconds = $7, hook = $8,
            next_at = now() + make_interval(secs => $6::int)
     RETURNING ${ROTATION}`,
    [
      tx.orgId,
      secretId,
      rotation.field,
      rotation.length,
      rotation.alphabet,
      rotation.every_seconds,
      rotation.overlap_seconds,
      rotation.hook && JSON.stringify(rotation.hook),
    ],
  );
}

export async function readRotation(tx: OrgTx, secretId: string): Promise<RotationRow | undefined> {
  return tx.one<RotationRow>(
    `SELECT ${ROTATION} FROM secret_rotations WHERE org_id = $1 AND secret_id = $2`,
    [tx.orgId, secretId],
  );
}

export async function deleteRotation(
  tx: OrgTx | SystemTx,
  orgId: string,
  secretId: string,
): Promise<boolean> {
  const gone = await tx.change('DELETE FROM secret_rotations WHERE org_id = $1 AND secret_id = $2', [
    orgId,
    secretId,
  ]);
  return gone > 0;
}

export async function readRuns(tx: OrgTx, secretId: string, limit: number): Promise<RunRow[]> {
  return tx.query<RunRow>(
    `SELECT ${RUN} FROM secret_rotation_runs WHERE org_id = $1 AND secret_id = $2 ORDER BY id DESC LIMIT $3`,
    [tx.orgId, secretId, limit],
  );
}

/** Undefined where one is under way. */
export async function insertRun(
  tx: OrgTx | SystemTx,
  orgId: string,
  secretId: string,
): Promise<RunRow | undefined> {
  return tx.one<RunRow>(
    `INSERT INTO secret_rotation_runs (org_id, id, secret_id) VALUES ($1, $2, $3)
     ON CONFLICT (org_id, secret_id) WHERE state = 'started' OR state = 'rotated' AND retire_at IS NULL
     DO NOTHING RETURNING ${RUN}`,
    [orgId, newId(), secretId],
  );
}

/** What is due, of organizations that work; each is given to one process, and its next time is set. */
export async function takeDue(tx: SystemTx, limit: number): Promise<{ org_id: string; secret_id: string }[]> {
  return tx.query(
    `UPDATE secret_rotations r SET next_at = now() + make_interval(secs => every_seconds)
       FROM (SELECT d.org_id, d.secret_id FROM secret_rotations d JOIN organizations o ON o.id = d.org_id
              WHERE d.next_at <= now() AND o.status = 'active'
              ORDER BY d.next_at LIMIT $1 FOR UPDATE OF d SKIP LOCKED) due
      WHERE r.org_id = due.org_id AND r.secret_id = due.secret_id RETURNING r.org_id, r.secret_id`,
    [limit],
  );
}

const OPEN = `SELECT u.org_id, ${RUN.replaceAll(/\w+/g, 'u.$&')}, ${ROTATION.replaceAll(/\w+/g, 'r.$&')}
  FROM secret_rotation_runs u JOIN secret_rotations r ON r.org_id = u.org_id AND r.secret_id = u.secret_id`;

/** Undefined where it has ended, or its schedule is gone. */
export async function readRun(tx: SystemTx, orgId: string, runId: string): Promise<OpenRun | undefined> {
  return tx.one<OpenRun>(`${OPEN} WHERE u.org_id = $1 AND u.id = $2 AND u.ended_at IS NULL`, [orgId, runId]);
}

/** The same, against another process that works on it. */
export async function lockRun(tx: SystemTx, orgId: string, runId: string): Promise<RunRow | undefined> {
  return tx.one<RunRow>(
    `SELECT ${RUN} FROM secret_rotation_runs WHERE org_id = $1 AND id = $2 AND ended_at IS NULL FOR UPDATE`,
    [orgId, runId],
  );
}

export async function setRotated(
  tx: SystemTx,
  runId: string,
  { from, to }: { from: number; to: number },
  overlapSeconds: number | undefined,
): Promise<void> {
  await tx.query(
    `UPDATE secret_rotation_runs SET state = 'rotated', from_version = $2, to_version = $3,
            retire_at = now() + make_interval(secs => $4) WHERE id = $1`,
    [runId, from, to, overlapSeconds],
  );
}

/** Answers false where that was done before. */
export async function setOverlap(tx: SystemTx, runId: string, overlapSeconds: number): Promise<boolean> {
  const set = await tx.change(
    `UPDATE secret_rotation_runs SET retire_at = now() + make_interval(secs => $2)
      WHERE id = $1 AND state = 'rotated' AND retire_at IS NULL`,
    [runId, overlapSeconds],
  );
  return set > 0;
}

/** Answers false where it had ended before. */
export async function endRun(tx: SystemTx, runId: string, failure?: string): Promise<boolean> {
  const ended = await tx.change(
    `UPDATE secret_rotation_runs SET state = CASE WHEN $2::text IS NULL THEN 'ended' ELSE 'failed' END, failure = $2,
            ended_at = now() WHERE id = $1 AND ended_at IS NULL`,
    [runId, failure],
  );
  return ended > 0;
}

export interface RetireRow {
  readonly org_id: string;
  readonly id: string;
  readonly secret_id: string;
  readonly from_version: number;
  readonly to_version: number;
}

/** Runs whose overlap is over. */
export async function readOver(tx: SystemTx, limit: number): Promise<RetireRow[]> {
  return tx.query<RetireRow>(
    `SELECT org_id, id, secret_id, from_version, to_version FROM secret_rotation_runs
      WHERE state = 'rotated' AND retire_at <= now() ORDER BY retire_at LIMIT $1`,
    [limit],
  );
}

/** Runs that nobody has worked on for so long that their job must have been lost. */
export async function readLost(
  tx: SystemTx,
  seconds: number,
  limit: number,
): Promise<{ org_id: string; id: string }[]> {
  return tx.query(
    `SELECT org_id, id FROM secret_rotation_runs
      WHERE (state = 'started' OR state = 'rotated' AND retire_at IS NULL)
        AND started_at < now() - make_interval(secs => $1) ORDER BY started_at LIMIT $2`,
    [seconds, limit],
  );
}
