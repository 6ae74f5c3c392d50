import type { OrgTx } from '#database';
import type { FactKind } from '../verdict/vocabulary.ts';

export interface FactRow {
  readonly id: string;
  readonly surface_id: string;
  readonly kind: FactKind;
  readonly authority_id: string;
  /** bigint, as text. */
  readonly revision: string;
  readonly generation: number;
  readonly observed_at: Date;
  readonly received_at: Date;
  readonly ttl_seconds: number;
  readonly data: object;
  readonly evidence: object | null;
  readonly digest: string;
  readonly conflicting: boolean;
}

const COLUMNS = `id, surface_id, kind, authority_id, revision, generation, observed_at, received_at, ttl_seconds, data,
  evidence, digest, conflicting`;

/** The authority that owns a kind of truth of a surface, where this key is one of its account. */
export async function readOwnAuthority(
  tx: OrgTx,
  surfaceId: string,
  kind: FactKind,
  apiKeyId: string,
): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    `SELECT owner.id FROM (
       SELECT id, service_account_id FROM fact_authorities
        WHERE org_id = $1 AND kind = $3 AND ended_at IS NULL AND (surface_id IS NULL OR surface_id = $2)
        ORDER BY surface_id NULLS LAST LIMIT 1) owner
       JOIN api_keys k ON k.org_id = $1 AND k.service_account_id = owner.service_account_id
      WHERE k.id = $4`,
    [tx.orgId, surfaceId, kind, apiKeyId],
  );
  return row?.id;
}

/** The highest revision that an authority told. */
export async function readLastTold(
  tx: OrgTx,
  surfaceId: string,
  kind: FactKind,
  authorityId: string,
): Promise<FactRow | undefined> {
  return tx.one<FactRow>(
    `SELECT ${COLUMNS} FROM surface_facts
      WHERE surface_id = $2 AND kind = $3 AND authority_id = $4 AND NOT conflicting AND org_id = $1
      ORDER BY revision DESC LIMIT 1`,
    [tx.orgId, surfaceId, kind, authorityId],
  );
}

export interface NewFact {
  readonly id: string;
  readonly surfaceId: string;
  readonly kind: FactKind;
  readonly authorityId: string;
  readonly revision: number;
  readonly generation: number;
  readonly observedAt: string;
  readonly receivedAt: string;
  readonly ttlSeconds: number;
  readonly data: object;
  readonly evidence: object | undefined;
  readonly digest: string;
  readonly conflicting: boolean;
}

/** Undefined where a second content of this revision is there already: one is enough to know. */
export async function insertFact(tx: OrgTx, fact: NewFact): Promise<FactRow | undefined> {
  return tx.one<FactRow>(
    `INSERT INTO surface_facts (org_id, ${COLUMNS})
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
     ON CONFLICT (surface_id, kind, authority_id, revision, conflicting) DO NOTHING RETURNING ${COLUMNS}`,
    [
      tx.orgId,
      fact.id,
      fact.surfaceId,
      fact.kind,
      fact.authorityId,
      fact.revision,
      fact.generation,
      fact.observedAt,
      fact.receivedAt,
      fact.ttlSeconds,
      JSON.stringify(fact.data),
      fact.evidence === undefined ? null : JSON.stringify(fact.evidence),
      fact.digest,
      fact.conflicting,
    ],
  );
}

export async function makeCurrent(
  tx: OrgTx,
  surfaceId: string,
  kind: FactKind,
  factId: string,
): Promise<void> {
  await tx.query(
    `INSERT INTO current_facts (org_id, surface_id, kind, fact_id) VALUES ($1, $2, $3, $4)
     ON CONFLICT (surface_id, kind) DO UPDATE SET fact_id = excluded.fact_id, in_conflict = false`,
    [tx.orgId, surfaceId, kind, factId],
  );
}

export async function markConflict(
  tx: OrgTx,
  surfaceId: string,
  kind: FactKind,
  factId: string,
): Promise<void> {
  await tx.query(
    `UPDATE current_facts SET in_conflict = true WHERE org_id = $1 AND surface_id = $2 AND kind = $3 AND fact_id = $4`,
    [tx.orgId, surfaceId, kind, factId],
  );
}

/** Everything that was told of a surface, newest first. */
export async function readFacts(
  tx: OrgTx,
  surfaceId: string,
  limit: number,
  before?: string,
): Promise<FactRow[]> {
  return tx.query<FactRow>(
    `SELECT ${COLUMNS} FROM surface_facts
      WHERE org_id = $1 AND surface_id = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
    [tx.orgId, surfaceId, before, limit],
  );
}
