import type { OrgTx, SystemTx } from '#database';
import type { AnyTx } from '../lifecycle/rollout.store.ts';

export type Phase = 'apply' | 'recovery';
export type StepState = 'intended' | 'succeeded' | 'failed' | 'unknown';

export interface StepRow {
  readonly phase: Phase;
  readonly unit: number;
  readonly wave: number;
  readonly target_id: string | null;
  readonly name: string;
  readonly command: string;
  readonly state: StepState;
  readonly key: string;
  readonly run_token: string;
  readonly runs: number;
  readonly failures: number;
  readonly question: string | null;
  readonly code: string | null;
  readonly detail: string | null;
  readonly intended_at: Date;
  readonly ended_at: Date | null;
}

/** In order; a plan has at most 100 targets by 50 steps, and the checks of 50 waves. */
export async function readSteps(tx: AnyTx, orgId: string, rolloutId: string): Promise<StepRow[]> {
  return tx.query<StepRow>(
    'SELECT * FROM rollout_steps WHERE org_id = $1 AND rollout_id = $2 ORDER BY phase, unit LIMIT 12000',
    [orgId, rolloutId],
  );
}

interface Where {
  readonly orgId: string;
  readonly rolloutId: string;
  readonly phase: Phase;
  readonly unit: number;
}

/** The intent, before anything happens. */
export async function insertIntent(
  tx: SystemTx,
  { orgId, rolloutId, phase, unit }: Where,
  one: {
    wave: number;
    targetId: string | null;
    name: string;
    command: string;
    key: string;
    token: string;
    at: Date;
  },
): Promise<void> {
  await tx.query(
    `INSERT INTO rollout_steps (org_id, rollout_id, phase, unit, wave, target_id, name, command, state, key, run_token, intended_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'intended', $9, $10, $11)`,
    [
      orgId,
      rolloutId,
      phase,
      unit,
      one.wave,
      one.targetId,
      one.name,
      one.command,
      one.key,
      one.token,
      one.at,
    ],
  );
}

/** Another run of a step under the same key; the run before it can write its outcome no more. */
export async function renewIntent(
  tx: SystemTx,
  { orgId, rolloutId, phase, unit }: Where,
  token: string,
  at: Date,
): Promise<void> {
  await tx.query(
    `UPDATE rollout_steps SET state = 'intended', run_token = $5, runs = runs + 1, intended_at = $6, ended_at = NULL,
        code = NULL, detail = NULL, question = NULL
      WHERE org_id = $1 AND rollout_id = $2 AND phase = $3 AND unit = $4`,
    [orgId, rolloutId, phase, unit, token, at],
  );
}

/** The outcome of one run; undefined where that run is not the one that counts. */
export async function endStep(
  tx: SystemTx,
  { orgId, rolloutId, phase, unit }: Where,
  token: string,
  outcome: {
    state: StepState;
    code: string | undefined;
    detail: string | undefined;
    question: string | undefined;
    at: Date;
  },
): Promise<{ failures: number } | undefined> {
  return tx.one<{ failures: number }>(
    `UPDATE rollout_steps SET state = $6, code = $7, detail = $8, question = $9, ended_at = $10,
        failures = CASE WHEN $6 = 'succeeded' THEN 0 ELSE failures + 1 END
      WHERE org_id = $1 AND rollout_id = $2 AND phase = $3 AND unit = $4 AND run_token = $5 AND state = 'intended'
      RETURNING failures`,
    [
      orgId,
      rolloutId,
      phase,
      unit,
      token,
      outcome.state,
      outcome.code,
      outcome.detail,
      outcome.question,
      outcome.at,
    ],
  );
}

/** The code of a step of which an operator said that it did not happen, or was taken back. */
export const SAID_NOT_DONE = 'operator_said_not_done';

/** What an operator found out of a step. No run that is still under way can overwrite it. */
export async function answerStep(
  tx: OrgTx,
  { rolloutId, phase, unit }: Omit<Where, 'orgId'>,
  answer: { state: 'succeeded' | 'failed'; code: string; token: string; at: Date },
): Promise<void> {
  await tx.query(
    `UPDATE rollout_steps SET state = $5, code = $6, run_token = $7, ended_at = $8, question = NULL, failures = 0
      WHERE org_id = $1 AND rollout_id = $2 AND phase = $3 AND unit = $4`,
    [tx.orgId, rolloutId, phase, unit, answer.state, answer.code, answer.token, answer.at],
  );
}
