import type { OrgTx } from '#database';
import type { FactKind } from '../verdict/vocabulary.ts';

export interface AuthorityRow {
  readonly id: string;
  readonly kind: FactKind;
  readonly name: string;
  readonly service_account_id: string | null;
  readonly surface_id: string | null;
  readonly created_at: Date;
  readonly ended_at: Date | null;
}

const COLUMNS = 'id, kind, name, service_account_id, surface_id, created_at, ended_at';

/** Those that ended too, newest first. */
export async function readAuthorities(tx: OrgTx, limit: number, before?: string): Promise<AuthorityRow[]> {
  return tx.query<AuthorityRow>(
    `SELECT ${COLUMNS} FROM fact_authorities
      WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

/** Locked; undefined where there is none, or it has ended. */
export async function lockAuthority(tx: OrgTx, id: string): Promise<AuthorityRow | undefined> {
  return tx.one<AuthorityRow>(
    `SELECT ${COLUMNS} FROM fact_authorities WHERE org_id = $1 AND id = $2 AND ended_at IS NULL FOR UPDATE`,
    [tx.orgId, id],
  );
}

export async function isServiceAccount(tx: OrgTx, id: string): Promise<boolean> {
  const row = await tx.one('SELECT 1 FROM service_accounts WHERE org_id = $1 AND id = $2 FOR SHARE', [
    tx.orgId,
    id,
  ]);
  return row !== undefined;
}

/** Undefined where the kind has an owner already. */
export async function insertAuthority(
  tx: OrgTx,
  authority: {
    id: string;
    kind: FactKind;
    name: string;
    serviceAccountId: string;
    surfaceId: string | undefined;
  },
): Promise<AuthorityRow | undefined> {
  const { id, kind, name, serviceAccountId, surfaceId } = authority;
  return tx.one<AuthorityRow>(
    `INSERT INTO fact_authorities (org_id, id, kind, surface_id, name, service_account_id)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (org_id, kind, surface_id) WHERE ended_at IS NULL DO NOTHING RETURNING ${COLUMNS}`,
    [tx.orgId, id, kind, surfaceId, name, serviceAccountId],
  );
}

/** The id of the authority that stands in the way of another. */
export async function readOwnerOf(
  tx: OrgTx,
  kind: FactKind,
  surfaceId?: string,
): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    `SELECT id FROM fact_authorities
      WHERE org_id = $1 AND kind = $2 AND surface_id IS NOT DISTINCT FROM $3 AND ended_at IS NULL`,
    [tx.orgId, kind, surfaceId],
  );
  return row?.id;
}

export async function endAuthority(tx: OrgTx, id: string): Promise<void> {
  await tx.query('UPDATE fact_authorities SET ended_at = now() WHERE org_id = $1 AND id = $2', [
    tx.orgId,
    id,
  ]);
}
