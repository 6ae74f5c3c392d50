import type { OrgTx, SystemTx } from '#database';
import { newId } from '#kernel';
import type { AnyTx } from '../lifecycle/rollout.store.ts';
import type { Algorithm, Envelope } from './dsse.ts';
import type { Read } from './statement.ts';

export interface EvidenceRow {
  readonly id: string;
  readonly predicate_type: string;
  readonly subjects: string[];
  readonly result: 'pass' | 'fail' | 'inconclusive';
  readonly producer: 'person' | 'gitea';
  /** Null where nobody here says so. */
  readonly producer_id: string | null;
  /** Of what Gitea says: which review, status or run. */
  readonly fact: string | null;
  readonly keyid: string;
  /** The person answerable for the key, where it is not the organization's. */
  readonly owner_id: string | null;
  readonly key_revoked_at: Date | null;
  readonly envelope: Envelope;
  readonly digest: string;
  readonly observed_at: Date;
  readonly expires_at: Date | null;
  readonly created_at: Date;
}

export interface KeyRow {
  readonly id: string;
  readonly name: string;
  readonly keyid: string;
  readonly algorithm: Algorithm;
  readonly public_key: string;
  readonly wrapped_private: string | null;
  readonly owner_id: string | null;
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
}

const SELECT = `SELECT e.id, e.predicate_type, e.subjects, e.result, e.producer, e.producer_id, e.fact, k.keyid, k.owner_id,
    k.revoked_at AS key_revoked_at, e.envelope, e.digest, e.observed_at, e.expires_at, e.created_at
  FROM evidence e JOIN evidence_keys k ON k.org_id = e.org_id AND k.id = e.key_id`;

export async function readEvidence(
  tx: OrgTx,
  query: { limit: number; before: string | undefined; subject: string | undefined },
): Promise<EvidenceRow[]> {
  return tx.query<EvidenceRow>(
    `${SELECT} WHERE e.org_id = $1 AND ($2::uuid IS NULL OR e.id < $2) AND ($3::text IS NULL OR e.subjects @> ARRAY[$3])
      ORDER BY e.id DESC LIMIT $4`,
    [tx.orgId, query.before, query.subject, query.limit],
  );
}

export async function findEvidence(tx: OrgTx, id: string): Promise<EvidenceRow | undefined> {
  return tx.one<EvidenceRow>(`${SELECT} WHERE e.org_id = $1 AND e.id = $2`, [tx.orgId, id]);
}

/** Of any of these subjects and of one kind, newest observation first. */
export async function evidenceOf(
  tx: AnyTx,
  orgId: string,
  subjects: readonly string[],
  predicateType: string,
  limit = 100,
): Promise<EvidenceRow[]> {
  return tx.query<EvidenceRow>(
    `${SELECT} WHERE e.org_id = $1 AND e.subjects && $2::text[] AND e.predicate_type = $3
      ORDER BY e.observed_at DESC, e.id DESC LIMIT $4`,
    [orgId, subjects, predicateType, limit],
  );
}

/** What Gitea says of a subject: the newest of each review, status or run. */
export async function newestFacts(
  tx: AnyTx,
  orgId: string,
  subject: string,
  predicateType: string,
): Promise<
  (Pick<EvidenceRow, 'result' | 'observed_at' | 'key_revoked_at'> & { fact: string; state: string })[]
> {
  return tx.query(
    `SELECT DISTINCT ON (e.fact) e.fact, e.result, e.observed_at, k.revoked_at AS key_revoked_at,
            convert_from(decode(e.envelope ->> 'payload', 'base64'), 'UTF8')::jsonb -> 'predicate' ->> 'state' AS state
       FROM evidence e JOIN evidence_keys k ON k.org_id = e.org_id AND k.id = e.key_id
      WHERE e.org_id = $1 AND e.subjects @> ARRAY[$2] AND e.predicate_type = $3 AND e.producer = 'gitea'
      ORDER BY e.fact, e.id DESC LIMIT 1000`,
    [orgId, subject, predicateType],
  );
}

/** Undefined where the same envelope is on record. */
export async function insertFact(
  tx: SystemTx,
  orgId: string,
  one: {
    predicateType: string;
    subject: string;
    result: EvidenceRow['result'];
    keyId: string;
    envelope: Envelope;
    digest: string;
    observedAt: Date;
    fact: string;
  },
): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    `INSERT INTO evidence (org_id, id, predicate_type, subjects, result, producer, key_id, envelope, digest,
       observed_at, fact)
     VALUES ($1, $2, $3, ARRAY[$4], $5, 'gitea', $6, $7, $8, $9, $10)
     ON CONFLICT (org_id, digest) DO NOTHING RETURNING id`,
    [
      orgId,
      newId(),
      one.predicateType,
      one.subject,
      one.result,
      one.keyId,
      JSON.stringify(one.envelope),
      one.digest,
      one.observedAt,
      one.fact,
    ],
  );
  return row?.id;
}

/** Who brought evidence of these subjects: who recorded it, and who answers for the key that signed it. */
export async function readProducers(
  tx: AnyTx,
  orgId: string,
  subjects: readonly string[],
): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `SELECT DISTINCT unnest(ARRAY[e.producer_id, k.owner_id]) AS id
       FROM evidence e JOIN evidence_keys k ON k.org_id = e.org_id AND k.id = e.key_id
      WHERE e.org_id = $1 AND e.subjects && $2::text[] LIMIT 1000`,
    [orgId, subjects],
  );
  return rows.flatMap(({ id }) => id ?? []);
}

/** Undefined where the same envelope is on record. */
export async function insertEvidence(
  tx: OrgTx,
  read: Read,
  by: { producerId: string; keyId: string; envelope: Envelope; digest: string },
): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    `INSERT INTO evidence (org_id, id, predicate_type, subjects, result, producer_id, key_id, envelope, digest,
       observed_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (org_id, digest) DO NOTHING RETURNING id`,
    [
      tx.orgId,
      newId(),
      read.predicateType,
      read.subjects,
      read.result,
      by.producerId,
      by.keyId,
      JSON.stringify(by.envelope),
      by.digest,
      read.observedAt,
      read.expiresAt,
    ],
  );
  return row?.id;
}

const KEY =
  'id, name, keyid, algorithm, public_key, wrapped_private, owner_id, created_at, expires_at, revoked_at';

export async function readKeys(tx: OrgTx, limit: number, before?: string): Promise<KeyRow[]> {
  return tx.query<KeyRow>(
    `SELECT ${KEY} FROM evidence_keys WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [tx.orgId, before, limit],
  );
}

/** Those of these whose signatures are taken now. */
export async function findKeys(
  tx: AnyTx,
  orgId: string,
  keyids: readonly string[],
  now: Date,
): Promise<KeyRow[]> {
  return tx.query<KeyRow>(
    `SELECT ${KEY} FROM evidence_keys WHERE org_id = $1 AND keyid = ANY($2) AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > $3)`,
    [orgId, keyids, now],
  );
}

export async function ownKey(tx: AnyTx, orgId: string): Promise<KeyRow | undefined> {
  return tx.one<KeyRow>(
    `SELECT ${KEY} FROM evidence_keys WHERE org_id = $1 AND wrapped_private IS NOT NULL AND revoked_at IS NULL`,
    [orgId],
  );
}

/** False where there is this key, or an own one already. */
export async function insertKey(
  tx: AnyTx,
  orgId: string,
  key: Omit<KeyRow, 'created_at' | 'revoked_at'>,
): Promise<boolean> {
  const inserted = await tx.change(
    `INSERT INTO evidence_keys (org_id, id, name, keyid, algorithm, public_key, wrapped_private, owner_id, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
    [
      orgId,
      key.id,
      key.name,
      key.keyid,
      key.algorithm,
      key.public_key,
      key.wrapped_private,
      key.owner_id,
      key.expires_at,
    ],
  );
  return inserted > 0;
}

/** The key id; undefined where there is no such key, or it was revoked. */
export async function revokeKey(tx: OrgTx, id: string): Promise<string | undefined> {
  const row = await tx.one<{ keyid: string }>(
    'UPDATE evidence_keys SET revoked_at = now() WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING keyid',
    [tx.orgId, id],
  );
  return row?.keyid;
}

/** False where it is kept already. */
export async function insertAttachment(
  tx: OrgTx,
  one: { sha256: string; mediaType: string; content: Buffer },
): Promise<boolean> {
  const inserted = await tx.change(
    `INSERT INTO evidence_attachments (org_id, sha256, media_type, content) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING`,
    [tx.orgId, one.sha256, one.mediaType, one.content],
  );
  return inserted > 0;
}

export async function readAttachment(
  tx: OrgTx,
  sha256: string,
): Promise<{ media_type: string; content: Buffer } | undefined> {
  return tx.one('SELECT media_type, content FROM evidence_attachments WHERE org_id = $1 AND sha256 = $2', [
    tx.orgId,
    sha256,
  ]);
}
