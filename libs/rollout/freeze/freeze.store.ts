import type { OrgTx } from '#database';
import { newId } from '#kernel';
import type { AnyTx } from '../lifecycle/rollout.store.ts';
import type { Window } from './freeze-window.ts';
import { SKEW_MS } from '../lifecycle/clock-skew.ts';

export interface FreezeRow {
  readonly id: string;
  readonly name: string;
  readonly start: string;
  readonly time_zone: string;
  readonly rule: string | null;
  readonly duration_seconds: number;
  readonly target_ids: string[];
  readonly environments: string[];
  readonly effects: string[];
  readonly created_at: Date;
}

export interface FreezeSettings {
  readonly window: Window;
  readonly targets: readonly string[];
  readonly environments: readonly string[];
  readonly effects: readonly string[];
}

export interface ExceptionRow {
  readonly id: string;
  readonly freeze_id: string;
  readonly rollout_id: string;
  readonly digest: string;
  readonly reason: string;
  readonly asked_by: string;
  readonly expires_at: Date;
}

const EXCEPTION = 'id, freeze_id, rollout_id, digest, reason, asked_by, expires_at';
const COLUMNS =
  'id, name, start, time_zone, rule, duration_seconds, target_ids, environments, effects, created_at';
/** Every gate reads them all. */
export const MOST_FREEZES = 200;

export async function readFreezes(tx: AnyTx, orgId: string): Promise<FreezeRow[]> {
  return tx.query<FreezeRow>(`SELECT ${COLUMNS} FROM freezes WHERE org_id = $1 ORDER BY id LIMIT $2`, [
    orgId,
    MOST_FREEZES,
  ]);
}

export async function findFreeze(tx: OrgTx, id: string): Promise<FreezeRow | undefined> {
  return tx.one<FreezeRow>(`SELECT ${COLUMNS} FROM freezes WHERE org_id = $1 AND id = $2`, [tx.orgId, id]);
}

export async function lockFreeze(tx: OrgTx, id: string): Promise<FreezeRow | undefined> {
  return tx.one<FreezeRow>(`SELECT ${COLUMNS} FROM freezes WHERE org_id = $1 AND id = $2 FOR UPDATE`, [
    tx.orgId,
    id,
  ]);
}

/** Undefined where the name is taken, or there are as many as there may be: gates read no more than that. */
export async function insertFreeze(
  tx: OrgTx,
  name: string,
  { window, targets, environments, effects }: FreezeSettings,
): Promise<FreezeRow | undefined> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('freezes:' || $1, 0))`, [tx.orgId]);
  return tx.one<FreezeRow>(
    `INSERT INTO freezes (org_id, id, name, start, time_zone, rule, duration_seconds, target_ids, environments, effects)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 WHERE (SELECT count(*) FROM freezes WHERE org_id = $1) < $11
     ON CONFLICT (org_id, name) DO NOTHING RETURNING ${COLUMNS}`,
    [
      tx.orgId,
      newId(),
      name,
      window.start,
      window.timeZone,
      window.rule,
      window.durationSeconds,
      targets,
      environments,
      effects,
      MOST_FREEZES,
    ],
  );
}

export async function updateFreeze(
  tx: OrgTx,
  id: string,
  { window, targets, environments, effects }: FreezeSettings,
): Promise<FreezeRow | undefined> {
  return tx.one<FreezeRow>(
    `UPDATE freezes SET start = $3, time_zone = $4, rule = $5, duration_seconds = $6, target_ids = $7,
        environments = $8, effects = $9 WHERE org_id = $1 AND id = $2 RETURNING ${COLUMNS}`,
    [
      tx.orgId,
      id,
      window.start,
      window.timeZone,
      window.rule,
      window.durationSeconds,
      targets,
      environments,
      effects,
    ],
  );
}

export async function deleteFreeze(tx: OrgTx, id: string): Promise<void> {
  await tx.query('DELETE FROM freezes WHERE org_id = $1 AND id = $2', [tx.orgId, id]);
}

/** Empty where one that has not ended was asked for; the caller holds the freeze. */
export async function storeException(
  tx: OrgTx,
  now: Date,
  one: {
    freezeId: string;
    rolloutId: string;
    digest: string;
    reason: string;
    askedBy: string;
    expiresAt: Date;
  },
): Promise<string> {
  const row = await tx.one<{ id: string }>(
    `INSERT INTO freeze_exceptions (org_id, id, freeze_id, rollout_id, digest, reason, asked_by, expires_at)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (
       SELECT FROM freeze_exceptions
        WHERE org_id = $1 AND freeze_id = $3 AND rollout_id = $4 AND digest = $5 AND expires_at > $9)
     RETURNING id`,
    [tx.orgId, newId(), one.freezeId, one.rolloutId, one.digest, one.reason, one.askedBy, one.expiresAt, now],
  );
  return row?.id ?? '';
}

export async function findException(
  tx: AnyTx,
  orgId: string,
  rolloutId: string,
  id: string,
): Promise<ExceptionRow | undefined> {
  return tx.one<ExceptionRow>(
    `SELECT ${EXCEPTION} FROM freeze_exceptions WHERE org_id = $1 AND rollout_id = $2 AND id::text = $3`,
    [orgId, rolloutId, id],
  );
}

/** Those for a plan that have not ended: one for each freeze at most. */
export async function readExceptions(
  tx: AnyTx,
  orgId: string,
  { rolloutId, digest, now }: { rolloutId: string; digest: string; now: Date },
): Promise<ExceptionRow[]> {
  return tx.query<ExceptionRow>(
    `SELECT ${EXCEPTION} FROM freeze_exceptions
      WHERE org_id = $1 AND rollout_id = $2 AND digest = $3 AND expires_at > $4 ORDER BY id LIMIT $5`,
    [orgId, rolloutId, digest, now, MOST_FREEZES],
  );
}

/** Who asked for the exceptions of a rollout, by what their quorum signs; newest first, as sign-offs are read. */
export async function readAskers(tx: AnyTx, orgId: string, rolloutId: string): Promise<Map<string, string>> {
  const rows = await tx.query<ExceptionRow>(
    `SELECT ${EXCEPTION} FROM freeze_exceptions WHERE org_id = $1 AND rollout_id = $2 ORDER BY id DESC LIMIT 500`,
    [orgId, rolloutId],
  );
  return new Map(rows.map((row) => [signedAs(row), row.asked_by]));
}

/** What the quorum of an exception signs. */
export const signedAs = ({ id }: Pick<ExceptionRow, 'id'>): string => `freeze:${id}`;

/** Of one freeze, newest first. */
export async function listExceptions(
  tx: OrgTx,
  freezeId: string,
  limit: number,
  before?: string,
): Promise<ExceptionRow[]> {
  return tx.query<ExceptionRow>(
    `SELECT ${EXCEPTION} FROM freeze_exceptions
      WHERE org_id = $1 AND freeze_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
    [tx.orgId, freezeId, before, limit],
  );
}

/** Whether this process's clock is further from the database's, which all processes share, than clocks may be. */
export async function isClockWrong(tx: AnyTx, now: Date): Promise<boolean> {
  return !(Math.abs(await clockSkew(tx, now)) <= SKEW_MS);
}

/** In milliseconds. */
async function clockSkew(tx: AnyTx, now: Date): Promise<number> {
  const row = await tx.one<{ ms: number }>(
    `SELECT extract(epoch FROM $1::timestamptz - clock_timestamp())::float8 * 1000 AS ms`,
    [now],
  );
  return row?.ms ?? Number.NaN;
}
