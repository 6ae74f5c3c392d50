import type { Database, SystemReason, SystemTx } from '#database';

/** A checkpoint as it was issued. */
export interface Checkpoint {
  readonly size: number;
  readonly root: Buffer;
  /** The signed note. */
  readonly note: string;
}

/** One checkpoint of a log after the other. */
export async function lockCheckpoints(tx: SystemTx, orgId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('audit-checkpoint:' || $1, 0))`, [orgId]);
}

/** The one issued last, the largest; of a log that forked, since an operator has acknowledged that. */
export async function readLastCheckpoint(tx: SystemTx, orgId: string): Promise<Checkpoint | undefined> {
  const row = await tx.one<{ size: string; root: Buffer; note: string }>(
    `SELECT size, root, note FROM audit_checkpoints
      WHERE org_id = $1 AND issued_at > coalesce((SELECT max(acknowledged_at) FROM audit_forks WHERE org_id = $1), '-infinity')
      ORDER BY size DESC LIMIT 1`,
    [orgId],
  );
  return row && { ...row, size: Number(row.size) };
}

/** Those of at most this size, the largest first. */
export async function readCheckpointsUpTo(
  tx: SystemTx,
  orgId: string,
  size: number,
  limit: number,
): Promise<Pick<Checkpoint, 'size' | 'root'>[]> {
  const rows = await tx.query<{ size: string; root: Buffer }>(
    'SELECT size, root FROM audit_checkpoints WHERE org_id = $1 AND size <= $2 ORDER BY size DESC LIMIT $3',
    [orgId, size, limit],
  );
  return rows.map(({ root, ...row }) => ({ size: Number(row.size), root }));
}

export async function insertCheckpoint(tx: SystemTx, orgId: string, issued: Checkpoint): Promise<void> {
  await tx.query('INSERT INTO audit_checkpoints (org_id, size, root, note) VALUES ($1, $2, $3, $4)', [
    orgId,
    issued.size,
    issued.root,
    issued.note,
  ]);
}

/** True for one process in so many seconds, however many ask. */
export async function takeRound(tx: SystemTx, seconds: number): Promise<boolean> {
  const taken = await tx.change(
    `UPDATE deployment SET audit_round_at = now()
      WHERE audit_round_at IS NULL OR audit_round_at <= now() - make_interval(secs => $1)`,
    [seconds],
  );
  return taken > 0;
}

/** A log that may want a checkpoint. */
export interface LogHead {
  readonly orgId: string;
  readonly size: number;
  /** Of the checkpoint issued last; 0 where there is none. */
  readonly signed: number;
  /** When that was, in seconds before now; Infinity where there is none. */
  readonly signedAgo: number;
}

/** Heads read in one transaction. */
const PAGE = 200;
/** Before every id. */
const FIRST = '00000000-0000-0000-0000-000000000000';

/** The head of every log, deleted organizations' among them, in order of their ids; no transaction stays open. */
export async function* everyLog(database: Database, reason: SystemReason): AsyncGenerator<LogHead> {
  for (let after: string | undefined = FIRST; after !== undefined;) {
    const from: string = after;
    const heads: LogHead[] = await database.acrossOrgs(reason, (tx) => readLogHeads(tx, from, PAGE));
    yield* heads;
    after = heads.length < PAGE ? undefined : heads.at(-1)?.orgId;
  }
}

/** Heads of logs in order of their organizations' ids after `after`. */
async function readLogHeads(tx: SystemTx, after: string, limit: number): Promise<LogHead[]> {
  // From one organization to the next by the index, however long the logs are.
  const rows = await tx.query<{ org_id: string; size: string; signed: string | null; ago: number | null }>(
    `WITH RECURSIVE logs AS (
       (SELECT org_id FROM audit_positions WHERE org_id > $1 ORDER BY org_id LIMIT 1)
       UNION ALL
       SELECT (SELECT p.org_id FROM audit_positions p WHERE p.org_id > logs.org_id ORDER BY p.org_id LIMIT 1)
         FROM logs WHERE logs.org_id IS NOT NULL)
     SELECT logs.org_id, head.pos AS size, last.size AS signed,
            extract(epoch FROM now() - last.issued_at)::float8 AS ago
       FROM (SELECT org_id FROM logs WHERE org_id IS NOT NULL LIMIT $2) logs
       CROSS JOIN LATERAL (SELECT pos FROM audit_positions p
                            WHERE p.org_id = logs.org_id ORDER BY pos DESC LIMIT 1) head
       LEFT JOIN LATERAL (SELECT size, issued_at FROM audit_checkpoints c
                           WHERE c.org_id = logs.org_id ORDER BY size DESC LIMIT 1) last ON true`,
    [after, limit],
  );
  return rows.map((row) => ({
    orgId: row.org_id,
    size: Number(row.size),
    signed: Number(row.signed ?? 0),
    signedAgo: row.ago ?? Infinity,
  }));
}
