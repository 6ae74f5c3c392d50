import type { OrgTx, SystemTx } from '#database';
import { type CallerOrg, newId } from '#kernel';

interface OrgRow {
  id: string;
  slug: string;
  name: string;
  kind: CallerOrg['kind'];
  status: CallerOrg['status'];
  created_at: Date;
}

const COLUMNS = 'o.id, o.slug, o.name, o.kind, o.status, o.created_at';

export function orgOf({ created_at, ...row }: OrgRow): CallerOrg {
  return { ...row, createdAt: created_at.toISOString() };
}

/** Undefined where the slug is taken. */
export async function insertOrg(
  tx: SystemTx,
  org: { slug: string; name: string; kind: CallerOrg['kind'] },
): Promise<CallerOrg | undefined> {
  const row = await tx.one<OrgRow>(
    `INSERT INTO organizations AS o (id, slug, name, kind) VALUES ($1, $2, $3, $4)
     ON CONFLICT (slug) DO NOTHING RETURNING ${COLUMNS}`,
    [newId(), org.slug, org.name, org.kind],
  );
  return row && orgOf(row);
}

/** Every organization, or those a person is an active member of; newest first. */
export async function readOrgs(
  tx: SystemTx,
  memberId: string | undefined,
  limit: number,
  before?: string,
): Promise<OrgRow[]> {
  return tx.query<OrgRow>(
    `SELECT ${COLUMNS} FROM organizations o
      WHERE ($1::uuid IS NULL OR EXISTS (
              SELECT FROM memberships m WHERE m.org_id = o.id AND m.user_id = $1 AND m.status = 'active'))
        AND ($2::uuid IS NULL OR o.id < $2)
      ORDER BY o.id DESC LIMIT $3`,
    [memberId, before, limit],
  );
}

export async function renameOrg(tx: OrgTx, name: string): Promise<CallerOrg | undefined> {
  const row = await tx.one<OrgRow>(
    `UPDATE organizations AS o SET name = $2 WHERE o.id = $1 RETURNING ${COLUMNS}`,
    [tx.orgId, name],
  );
  return row && orgOf(row);
}

export async function lockOrg(tx: SystemTx, id: string): Promise<CallerOrg | undefined> {
  const row = await tx.one<OrgRow>(`SELECT ${COLUMNS} FROM organizations o WHERE o.id = $1 FOR UPDATE`, [id]);
  return row && orgOf(row);
}

export async function readPlatform(tx: SystemTx): Promise<CallerOrg | undefined> {
  const row = await tx.one<OrgRow>(`SELECT ${COLUMNS} FROM organizations o WHERE o.kind = 'platform'`);
  return row && orgOf(row);
}

export async function setOrgStatus(tx: SystemTx, id: string, status: CallerOrg['status']): Promise<void> {
  await tx.query('UPDATE organizations SET status = $2 WHERE id = $1', [id, status]);
}

/** With everything in it but its audit log. */
export async function deleteOrg(tx: SystemTx, id: string): Promise<void> {
  await tx.query('DELETE FROM organizations WHERE id = $1', [id]);
}
