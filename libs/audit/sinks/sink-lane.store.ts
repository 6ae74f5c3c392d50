import type { SystemTx } from '#database';
import { type Claim, type ClaimLimits, type Hold, LeaseTable } from '#relay';
import type { SinkRow } from './sink.store.ts';

export const sinkLeases = new LeaseTable('audit_sink_state', [
  { column: 'sink_id', type: 'uuid' },
  { column: 'log_org_id', type: 'uuid' },
]);

/** A lane as whoever got its lease finds it; its key is the sink and the organization whose log it is. */
export interface ClaimedSinkLane
  extends Claim, Pick<SinkRow, 'kind' | 'settings' | 'format' | 'filter' | 'version' | 'org_id'> {
  readonly delivered_pos: string;
  readonly settled_pos: string;
  readonly checkpoint_size: string;
  readonly replay_after: string | null;
  readonly replay_to: string | null;
}

/** What a worker sees of a lane it holds when it looks. */
export interface SinkLaneNews {
  readonly key: readonly [string, string];
  readonly version: number;
  readonly enabled: boolean;
  readonly replay_to: string | null;
  readonly head: string;
  readonly signed: string;
  /** Nobody has acknowledged that this log is not what was published of it. */
  readonly forked: boolean;
}

/** A row of the log on its way to a sink. `leaf` is null where retention has taken the event away. */
export interface LaneRow {
  readonly pos: string;
  readonly event_id: string;
  readonly leaf: string | null;
  readonly personal: string;
  readonly leaf_hash: string;
  readonly prev_hash: string;
}

const HEAD = `coalesce((SELECT p.pos FROM audit_positions p WHERE p.org_id = s.log_org_id
                         ORDER BY p.pos DESC LIMIT 1), 0)`;
const SIGNED = `coalesce((SELECT c.size FROM audit_checkpoints c
                           WHERE c.org_id = s.log_org_id AND c.size <= s.delivered_pos
                           ORDER BY c.size DESC LIMIT 1), 0)`;

/** Of a log that forked nothing leaves until an operator has acknowledged that. */
const FORKED = `EXISTS (SELECT FROM audit_forks f WHERE f.org_id = s.log_org_id AND f.acknowledged_at IS NULL)`;

/** A lane for every log that a sink of the platform takes. */
export async function addLanes(tx: SystemTx): Promise<void> {
  await tx.query(
    `INSERT INTO audit_sink_state (org_id, sink_id, log_org_id)
     SELECT k.org_id, k.id, o.id FROM audit_sinks k CROSS JOIN organizations o
      WHERE k.all_organizations AND k.enabled ON CONFLICT DO NOTHING`,
  );
}

/** Takes leases on lanes that have something to deliver and that nobody works off. */
export async function claimLanes(
  tx: SystemTx,
  owner: string,
  { leaseMs, longestMs, limit }: ClaimLimits,
): Promise<ClaimedSinkLane[]> {
  return tx.query<ClaimedSinkLane>(
    `WITH due AS (
       SELECT s.sink_id, s.log_org_id FROM audit_sink_state s JOIN audit_sinks k ON k.id = s.sink_id
        WHERE k.enabled AND NOT ${FORKED} AND ${sinkLeases.free}
          AND (s.replay_to IS NOT NULL OR s.delivered_pos < ${HEAD} OR s.checkpoint_size < ${SIGNED})
        ORDER BY s.retry_at NULLS FIRST LIMIT $4 FOR UPDATE OF s SKIP LOCKED)
     UPDATE audit_sink_state s SET ${sinkLeases.taken}, head_pos = ${HEAD}
       FROM due JOIN audit_sinks k ON k.id = due.sink_id
      WHERE s.sink_id = due.sink_id AND s.log_org_id = due.log_org_id
     RETURNING ARRAY[s.sink_id, s.log_org_id]::text[] AS key, s.org_id, s.fence, s.delivered_pos, s.settled_pos,
               s.checkpoint_size, s.replay_after, s.replay_to, s.failures, s.breaker,
               k.kind, k.settings, k.format, k.filter, k.version`,
    [owner, leaseMs, longestMs, limit],
  );
}

/** What there is to know of the lanes that are still this owner's. */
export async function readLaneNews(
  tx: SystemTx,
  owner: string,
  held: readonly Hold[],
): Promise<SinkLaneNews[]> {
  return tx.query<SinkLaneNews>(
    `SELECT ARRAY[s.sink_id, s.log_org_id]::text[] AS key, k.version, k.enabled, s.replay_to, ${HEAD} AS head,
            ${SIGNED} AS signed, ${FORKED} AS forked
       FROM audit_sink_state s JOIN audit_sinks k ON k.id = s.sink_id WHERE ${sinkLeases.mine}`,
    sinkLeases.valuesOfAll(owner, held),
  );
}

/** The positions after `after`, contiguous, up to `upTo` and to so many bytes; at least one where there is one. */
export async function readBatch(
  tx: SystemTx,
  logOrgId: string,
  { after, upTo, bytes }: { after: number; upTo: number; bytes: number },
): Promise<LaneRow[]> {
  return tx.query<LaneRow>(
    `SELECT * FROM (
       SELECT p.pos, p.event_id, e.leaf, e.personal, encode(p.leaf_hash, 'hex') AS leaf_hash,
              encode(p.prev_hash, 'hex') AS prev_hash,
              sum(octet_length(coalesce(e.leaf, '')) + octet_length(coalesce(e.personal, '')))
                OVER (ORDER BY p.pos) AS total
         FROM audit_positions p LEFT JOIN audit_events e ON e.org_id = p.org_id AND e.id = p.event_id
        WHERE p.org_id = $1 AND p.pos > $2 AND p.pos <= $3) batch
      WHERE total <= $4 OR pos = $2::bigint + 1 ORDER BY pos`,
    [logOrgId, after, upTo, bytes],
  );
}

/** Progress. False where the lane is another's by now: then nothing was written. */
export async function commitDelivered(tx: SystemTx, hold: Hold, pos: number): Promise<boolean> {
  return sinkLeases.write(
    tx,
    hold,
    `delivered_pos = $5, head_pos = ${HEAD}, accepted_pos = greatest(accepted_pos, $5),
     delivered_at = clock_timestamp(), ${sinkLeases.succeeded}`,
    [pos],
  );
}

/** Taken by the receiver, and not confirmed yet. */
export async function commitAccepted(tx: SystemTx, hold: Hold, pos: number): Promise<boolean> {
  return sinkLeases.write(tx, hold, 'accepted_pos = greatest(accepted_pos, $5)', [pos]);
}

/** Progress of a replay; its end where `after` has reached what was asked for. */
export async function commitReplayed(
  tx: SystemTx,
  hold: Hold,
  asked: { to: string },
  after: number,
): Promise<boolean> {
  const changed = await tx.change(
    `UPDATE audit_sink_state
        SET replay_after = CASE WHEN replay_to <= $5 THEN NULL ELSE $5 END,
            replay_to = CASE WHEN replay_to <= $5 THEN NULL ELSE replay_to END, ${sinkLeases.succeeded}
      WHERE ${sinkLeases.ours} AND replay_to = $6`,
    [...sinkLeases.valuesOf(hold), after, asked.to],
  );
  return changed > 0;
}

/** Where a replay that somebody asked for stands; another may have been asked for meanwhile. */
export async function readReplay(
  tx: SystemTx,
  { key }: Hold,
): Promise<{ after: string; to: string } | undefined> {
  return tx.one<{ after: string; to: string }>(
    `SELECT replay_after AS after, replay_to AS to FROM audit_sink_state
      WHERE sink_id = $1 AND log_org_id = $2 AND replay_to IS NOT NULL`,
    [...key],
  );
}

export async function commitCheckpoint(tx: SystemTx, hold: Hold, size: number): Promise<boolean> {
  return sinkLeases.write(tx, hold, 'checkpoint_size = $5', [size]);
}

/** The newest checkpoint of what was delivered that has not gone down yet. */
export async function readCheckpoint(
  tx: SystemTx,
  logOrgId: string,
  { over, upTo }: { over: number; upTo: number },
): Promise<{ size: string; note: string; issued_at: Date } | undefined> {
  return tx.one<{ size: string; note: string; issued_at: Date }>(
    `SELECT size, note, issued_at FROM audit_checkpoints
      WHERE org_id = $1 AND size > $2 AND size <= $3 ORDER BY size DESC LIMIT 1`,
    [logOrgId, over, upTo],
  );
}

/** Gives the lane back. `settled`: everything delivered has certainly arrived. */
export async function release(tx: SystemTx, hold: Hold, settled: boolean): Promise<void> {
  await sinkLeases.write(
    tx,
    hold,
    `lease_owner = NULL, lease_until = NULL,
     settled_pos = CASE WHEN $5 THEN delivered_pos ELSE settled_pos END`,
    [settled],
  );
}

/**
 * Puts a position aside that the receiver refused for good. Neighbours of one code are one range. Only with the lane
 * still ours.
 */
export async function bury(
  tx: SystemTx,
  orgId: string,
  hold: Hold,
  { from, to, code }: { from: number; to: number; code: string },
): Promise<boolean> {
  const lane = hold.key;
  if (!(await sinkLeases.lock(tx, hold))) return false;
  const again = await tx.change(
    `UPDATE audit_sink_dead SET attempts = attempts + 1, at = now()
      WHERE sink_id = $1 AND log_org_id = $2 AND from_pos <= $3 AND to_pos >= $4`,
    [...lane, from, to],
  );
  if (again > 0) return true;
  const longer = await tx.change(
    `UPDATE audit_sink_dead SET to_pos = $4, at = now()
      WHERE sink_id = $1 AND log_org_id = $2 AND to_pos = $3::bigint - 1 AND code = $5`,
    [...lane, from, to, code],
  );
  if (longer > 0) return true;
  await tx.query(
    `INSERT INTO audit_sink_dead (sink_id, log_org_id, from_pos, to_pos, code, org_id)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (sink_id, log_org_id, from_pos) DO NOTHING`,
    [...lane, from, to, code, orgId],
  );
  return true;
}

/**
 * Sets every sink of a log back to `upTo`, which is all that is left of what they were sent: positions after it are to
 * be other events. Whoever holds a lane holds it no longer.
 */
export async function rewindLanes(tx: SystemTx, logOrgId: string, upTo: number): Promise<void> {
  await tx.query(
    `UPDATE audit_sink_state
        SET delivered_pos = least(delivered_pos, $2), accepted_pos = least(accepted_pos, $2),
            settled_pos = least(settled_pos, $2), checkpoint_size = least(checkpoint_size, $2),
            replay_after = NULL, replay_to = NULL, failures = 0, breaker = 'closed', retry_at = NULL,
            lease_owner = NULL, lease_until = NULL, fence = fence + 1
      WHERE log_org_id = $1 AND greatest(delivered_pos, accepted_pos, checkpoint_size, replay_to) > $2`,
    [logOrgId, upTo],
  );
  await tx.query('DELETE FROM audit_sink_dead WHERE log_org_id = $1 AND from_pos > $2', [logOrgId, upTo]);
  await tx.query('UPDATE audit_sink_dead SET to_pos = $2 WHERE log_org_id = $1 AND to_pos > $2', [
    logOrgId,
    upTo,
  ]);
}
