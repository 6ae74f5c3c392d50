import type { OrgTx } from '#database';
import { newId } from '#kernel';
import type { AnyTx } from '../lifecycle/rollout.store.ts';
import type { Level, Treatment } from './risk-level.ts';

export interface RiskRow {
  readonly id: string;
  readonly rollout_id: string | null;
  readonly statement: string;
  readonly likelihood_before: number;
  readonly consequence_before: number;
  readonly likelihood: number;
  readonly consequence: number;
  readonly level: Level;
  readonly treatment: Treatment;
  readonly rationale: string;
  readonly conditions: string;
  readonly raised_by: string;
  readonly review_at: Date | null;
  readonly accepted_by: string | null;
  readonly accepted_as: string | null;
  readonly accepted_digest: string | null;
  readonly accepted_at: Date | null;
  readonly valid_until: Date | null;
  readonly closed_at: Date | null;
  readonly closed_reason: string | null;
  readonly created_at: Date;
}

/** What somebody rates of a risk. */
export interface Rated {
  readonly statement: string;
  readonly likelihood: number;
  readonly consequence: number;
  readonly level: Level;
  readonly treatment: string;
  readonly rationale: string;
  readonly conditions: string;
  readonly reviewAt: Date | undefined;
}

export interface RiskFilter {
  readonly limit: number;
  readonly before: string | undefined;
  readonly rolloutId: string | undefined;
  readonly level: string | undefined;
  readonly treatment: string | undefined;
  /** `open`: neither closed nor accepted for now; `accepted`; `expired`; `closed`. */
  readonly status: string | undefined;
  readonly now: Date;
}

export async function readRisks(tx: OrgTx, filter: RiskFilter): Promise<RiskRow[]> {
  return tx.query<RiskRow>(
    `SELECT * FROM risks
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR rollout_id = $3)
        AND ($4::text IS NULL OR level = $4) AND ($5::text IS NULL OR treatment = $5)
        AND CASE coalesce($6::text, '')
              WHEN 'closed' THEN closed_at IS NOT NULL
              WHEN 'accepted' THEN closed_at IS NULL AND valid_until > $7
              WHEN 'expired' THEN closed_at IS NULL AND valid_until <= $7
              WHEN 'open' THEN closed_at IS NULL AND valid_until IS NULL
              ELSE true END
      ORDER BY id DESC LIMIT $8`,
    [
      tx.orgId,
      filter.before,
      filter.rolloutId,
      filter.level,
      filter.treatment,
      filter.status,
      filter.now,
      filter.limit,
    ],
  );
}

const MOST_OF_ONE = 1_000;

export async function risksOf(tx: AnyTx, orgId: string, rolloutId: string): Promise<RiskRow[]> {
  return tx.query<RiskRow>('SELECT * FROM risks WHERE org_id = $1 AND rollout_id = $2 ORDER BY id LIMIT $3', [
    orgId,
    rolloutId,
    MOST_OF_ONE,
  ]);
}

export async function lockRisk(tx: OrgTx, id: string): Promise<RiskRow | undefined> {
  return tx.one<RiskRow>('SELECT * FROM risks WHERE org_id = $1 AND id = $2 FOR UPDATE', [tx.orgId, id]);
}

export async function insertRisk(
  tx: OrgTx,
  rated: Rated,
  more: {
    rolloutId: string | undefined;
    raisedBy: string;
    before: { likelihood: number; consequence: number };
  },
): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    `INSERT INTO risks (org_id, id, rollout_id, statement, likelihood_before, consequence_before, likelihood, consequence,
       level, treatment, rationale, conditions, raised_by, review_at)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
      WHERE $3::uuid IS NULL OR (SELECT count(*) FROM risks WHERE org_id = $1 AND rollout_id = $3) < $15
     RETURNING id`,
    [
      tx.orgId,
      newId(),
      more.rolloutId,
      rated.statement,
      more.before.likelihood,
      more.before.consequence,
      rated.likelihood,
      rated.consequence,
      rated.level,
      rated.treatment,
      rated.rationale,
      rated.conditions,
      more.raisedBy,
      rated.reviewAt,
      MOST_OF_ONE,
    ],
  );
  return row?.id;
}

/** Rates it anew; an acceptance was of what it was before. */
export async function updateRisk(tx: OrgTx, id: string, rated: Rated): Promise<void> {
  await tx.query(
    `UPDATE risks SET statement = $3, likelihood = $4, consequence = $5, level = $6, treatment = $7, rationale = $8,
        conditions = $9, review_at = $10, accepted_by = NULL, accepted_as = NULL, accepted_digest = NULL,
        accepted_at = NULL, valid_until = NULL, updated_at = now()
      WHERE org_id = $1 AND id = $2`,
    [
      tx.orgId,
      id,
      rated.statement,
      rated.likelihood,
      rated.consequence,
      rated.level,
      rated.treatment,
      rated.rationale,
      rated.conditions,
      rated.reviewAt,
    ],
  );
}

export async function storeAcceptance(
  tx: OrgTx,
  id: string,
  by: {
    userId: string | null;
    as: string | null;
    digest: string | null;
    at: Date | null;
    validUntil: Date | null;
    conditions: string;
  },
): Promise<void> {
  await tx.query(
    `UPDATE risks SET accepted_by = $3, accepted_as = $4, accepted_digest = $5, accepted_at = $6, valid_until = $7,
        conditions = $8, updated_at = now() WHERE org_id = $1 AND id = $2`,
    [tx.orgId, id, by.userId, by.as, by.digest, by.at, by.validUntil, by.conditions],
  );
}

export async function storeClosed(tx: OrgTx, id: string, reason: string, at: Date): Promise<void> {
  await tx.query(
    'UPDATE risks SET closed_at = $3, closed_reason = $4, updated_at = now() WHERE org_id = $1 AND id = $2',
    [tx.orgId, id, at, reason],
  );
}
