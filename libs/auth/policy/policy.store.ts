import type { OrgTx, SystemTx } from '#database';
import { type OrgPolicy, policyOf } from './org-policy.ts';

/** The policy of an organization. */
export async function readPolicy(tx: OrgTx | SystemTx, orgId: string): Promise<OrgPolicy> {
  return policyOf(await readSettings(tx, orgId));
}

/**
 * The same for what is made by the policy and outlives this transaction: no change of the policy runs beside it, so
 * that what the change does to all there is (`tightenSessions`) leaves nothing out.
 */
export async function holdPolicy(tx: OrgTx | SystemTx, orgId: string): Promise<OrgPolicy> {
  await tx.query(`SELECT pg_advisory_xact_lock_shared(hashtextextended('policy:' || $1::text, 0))`, [orgId]);
  return readPolicy(tx, orgId);
}

/** What was set, as it is stored; undefined where nothing was. */
export async function readSettings(tx: OrgTx | SystemTx, orgId: string): Promise<unknown> {
  const row = await tx.one<{ settings: unknown }>('SELECT settings FROM org_policies WHERE org_id = $1', [
    orgId,
  ]);
  return row?.settings;
}

/** The organization is locked, so that of two changes each sees what the other left. */
export async function lockSettings(tx: OrgTx, orgId: string): Promise<unknown> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('policy:' || $1::text, 0))`, [orgId]);
  return readSettings(tx, orgId);
}

export async function storeSettings(tx: OrgTx, settings: object): Promise<void> {
  await tx.query(
    `INSERT INTO org_policies (org_id, settings) VALUES ($1, $2)
     ON CONFLICT (org_id) DO UPDATE SET settings = excluded.settings, updated_at = now()`,
    [tx.orgId, JSON.stringify(settings)],
  );
}

/** The policies of these organizations, those that set nothing among them. */
export async function readPoliciesIn(tx: SystemTx, orgIds: readonly string[]): Promise<OrgPolicy[]> {
  const rows = await tx.query<{ settings: unknown }>(
    `SELECT p.settings FROM unnest($1::uuid[]) AS o(id) LEFT JOIN org_policies p ON p.org_id = o.id`,
    [orgIds],
  );
  return rows.map((row) => policyOf(row.settings ?? undefined));
}

/** The policies of every organization a person belongs to. */
export async function readPoliciesOf(tx: SystemTx, userId: string): Promise<OrgPolicy[]> {
  const rows = await tx.query<{ settings: unknown }>(
    `SELECT p.settings FROM memberships m LEFT JOIN org_policies p ON p.org_id = m.org_id WHERE m.user_id = $1`,
    [userId],
  );
  return rows.map((row) => policyOf(row.settings ?? undefined));
}

/** The policy of the platform organization, which decides for requests of nobody yet. */
export async function readPlatformPolicy(tx: SystemTx): Promise<OrgPolicy> {
  const row = await tx.one<{ settings: unknown }>(
    `SELECT p.settings FROM organizations o JOIN org_policies p ON p.org_id = o.id WHERE o.kind = 'platform'`,
  );
  return policyOf(row?.settings);
}
