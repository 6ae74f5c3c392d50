import type { OrgTx, SystemTx } from '#database';
import type { TreeHead } from '../checkpoint/note.ts';

export type Head = Pick<TreeHead, 'size' | 'root'>;

export interface ForkRow {
  readonly org_id: string;
  readonly id: string;
  readonly old_size: string;
  readonly old_root: Buffer;
  readonly new_size: string;
  readonly new_root: Buffer;
  readonly note: string;
  readonly found_at: Date;
  readonly acknowledged_at: Date | null;
  readonly acknowledged_by: string | null;
  readonly reason: string | null;
}

const COLUMNS =
  'org_id, id, old_size, old_root, new_size, new_root, note, found_at, acknowledged_at, acknowledged_by, reason';

/** The fork of this log that nobody has acknowledged. */
export async function readOpenFork(tx: OrgTx | SystemTx, orgId: string): Promise<ForkRow | undefined> {
  return tx.one<ForkRow>(
    `SELECT ${COLUMNS} FROM audit_forks WHERE org_id = $1 AND acknowledged_at IS NULL ORDER BY id LIMIT 1`,
    [orgId],
  );
}

export async function hasOpenFork(tx: SystemTx): Promise<boolean> {
  return (await tx.one('SELECT FROM audit_forks WHERE acknowledged_at IS NULL LIMIT 1')) !== undefined;
}

/** Newest first, below the id `before`. */
export async function readForks(tx: SystemTx, limit: number, before?: string): Promise<ForkRow[]> {
  return tx.query<ForkRow>(
    `SELECT ${COLUMNS} FROM audit_forks WHERE $2::uuid IS NULL OR id < $2 ORDER BY id DESC LIMIT $1`,
    [limit, before],
  );
}

/** Whether this head was given up when an operator acknowledged a fork. */
export async function isGivenUp(tx: SystemTx, orgId: string, { size, root }: Head): Promise<boolean> {
  const row = await tx.one(
    `SELECT FROM audit_forks
      WHERE org_id = $1 AND old_size = $2 AND old_root = $3 AND acknowledged_at IS NOT NULL LIMIT 1`,
    [orgId, size, root],
  );
  return row !== undefined;
}

/** One at a time marks forks of a log. */
export async function lockForks(tx: SystemTx, orgId: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('audit-forks:' || $1, 0))`, [orgId]);
}

export async function insertFork(
  tx: SystemTx,
  fork: { orgId: string; id: string; before: Head; now: Head; note: string },
): Promise<void> {
  await tx.query(
    `INSERT INTO audit_forks (org_id, id, old_size, old_root, new_size, new_root, note)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [fork.orgId, fork.id, fork.before.size, fork.before.root, fork.now.size, fork.now.root, fork.note],
  );
}

export async function acknowledgeForks(
  tx: SystemTx,
  orgId: string,
  by: string,
  reason: string,
): Promise<ForkRow[]> {
  return tx.query<ForkRow>(
    `UPDATE audit_forks SET acknowledged_at = now(), acknowledged_by = $2, reason = $3
      WHERE org_id = $1 AND acknowledged_at IS NULL RETURNING ${COLUMNS}`,
    [orgId, by, reason],
  );
}
