import type { OrgTx } from '#database';
import { newId } from '#kernel';
import type { AnyTx } from '../lifecycle/rollout.store.ts';
import type { PolicyRules } from './policy-rules.ts';

export interface PolicyRow {
  readonly id: string;
  readonly name: string;
  readonly rules: PolicyRules;
  readonly version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = 'id, name, rules, version, created_at, updated_at';

export async function readPolicies(tx: OrgTx, limit: number, before?: string): Promise<PolicyRow[]> {
  return tx.query<PolicyRow>(
    `SELECT ${COLUMNS} FROM rollout_policies
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

export async function readPolicy(tx: AnyTx, orgId: string, id: string): Promise<PolicyRow | undefined> {
  return tx.one<PolicyRow>(`SELECT ${COLUMNS} FROM rollout_policies WHERE org_id = $1 AND id = $2`, [
    orgId,
    id,
  ]);
}

export async function lockPolicy(tx: OrgTx, id: string): Promise<PolicyRow | undefined> {
  return tx.one<PolicyRow>(
    `SELECT ${COLUMNS} FROM rollout_policies WHERE org_id = $1 AND id = $2 FOR UPDATE`,
    [tx.orgId, id],
  );
}

/** Undefined where the name is taken. */
export async function insertPolicy(
  tx: OrgTx,
  name: string,
  rules: PolicyRules,
): Promise<PolicyRow | undefined> {
  return tx.one<PolicyRow>(
    `INSERT INTO rollout_policies (org_id, id, name, rules) VALUES ($1, $2, $3, $4)
     ON CONFLICT (org_id, name) DO NOTHING RETURNING ${COLUMNS}`,
    [tx.orgId, newId(), name, JSON.stringify(rules)],
  );
}

/** Undefined where the name is another's. */
export async function updatePolicy(
  tx: OrgTx,
  id: string,
  name: string,
  rules: PolicyRules,
): Promise<PolicyRow | undefined> {
  return tx.one<PolicyRow>(
    `UPDATE rollout_policies SET name = $3, rules = $4, version = version + 1, updated_at = now()
      WHERE org_id = $1 AND id = $2
        AND NOT EXISTS (SELECT FROM rollout_policies o WHERE o.org_id = $1 AND o.name = $3 AND o.id <> $2)
      RETURNING ${COLUMNS}`,
    [tx.orgId, id, name, JSON.stringify(rules)],
  );
}

/** From now on the database refuses whatever this transaction would write. */
export async function forbidWrites(tx: OrgTx): Promise<void> {
  await tx.query('SET TRANSACTION READ ONLY');
}
