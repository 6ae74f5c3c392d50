import type { SystemTx } from '#database';
import { type Claim, type ClaimLimits, type Hold, LeaseTable } from '#relay';

export const eventLeases = new LeaseTable('event_lanes', [
  { column: 'org_id', type: 'uuid' },
  { column: 'destination', type: 'text' },
]);

/** A lane as whoever got its lease finds it; its key is the organization and the destination. */
export interface ClaimedEventLane extends Claim {
  readonly delivered_pos: string;
  readonly delivered_sequence: string;
}

/** What a worker sees of a lane it holds when it looks. */
export interface EventLaneNews {
  readonly key: readonly [string, string];
  readonly head: string;
  readonly retrying: boolean;
}

/** An event on its way. */
export interface LaneEvent {
  readonly pos: string;
  readonly id: string;
  readonly type: string;
  readonly body: string;
}

/** What is written of one acknowledgement. */
export interface Publication {
  readonly pos: string;
  readonly eventId: string;
  readonly attempt: number;
  readonly stream: string;
  readonly sequence: number;
  readonly duplicate: boolean;
  readonly payloadSha256: Buffer;
}

const HEAD = `coalesce((SELECT p.pos FROM event_positions p WHERE p.org_id = s.org_id
                         ORDER BY p.pos DESC LIMIT 1), 0)`;
const RETRYING = `EXISTS (SELECT FROM event_dead_letters d
                           WHERE d.org_id = s.org_id AND d.destination = s.destination AND d.retry)`;

/** A lane for every log there is. */
export async function addLanes(tx: SystemTx, destination: string): Promise<void> {
  await tx.query(
    `INSERT INTO event_lanes (org_id, destination) SELECT l.org_id, $1 FROM event_logs l
      WHERE NOT EXISTS (SELECT FROM event_lanes s WHERE s.org_id = l.org_id AND s.destination = $1)
     ON CONFLICT DO NOTHING`,
    [destination],
  );
}

/** Takes leases on lanes of this destination that have something to publish and that nobody works off. */
export async function claimLanes(
  tx: SystemTx,
  destination: string,
  owner: string,
  { leaseMs, longestMs, limit }: ClaimLimits,
): Promise<ClaimedEventLane[]> {
  return tx.query<ClaimedEventLane>(
    `WITH due AS (
       SELECT s.org_id, s.destination FROM event_lanes s
        WHERE s.destination = $5 AND ${eventLeases.free} AND (s.delivered_pos < ${HEAD} OR ${RETRYING})
        ORDER BY s.retry_at NULLS FIRST LIMIT $4 FOR UPDATE OF s SKIP LOCKED)
     UPDATE event_lanes s SET ${eventLeases.taken} FROM due
      WHERE s.org_id = due.org_id AND s.destination = due.destination
     RETURNING ARRAY[s.org_id::text, s.destination] AS key, s.fence, s.failures, s.breaker,
               s.delivered_pos, s.delivered_sequence`,
    [owner, leaseMs, longestMs, limit, destination],
  );
}

/** What there is to know of the lanes that are still this owner's. */
export async function readLaneNews(
  tx: SystemTx,
  owner: string,
  held: readonly Hold[],
): Promise<EventLaneNews[]> {
  return tx.query<EventLaneNews>(
    `SELECT ARRAY[s.org_id::text, s.destination] AS key, ${HEAD} AS head, ${RETRYING} AS retrying
       FROM event_lanes s WHERE ${eventLeases.mine}`,
    eventLeases.valuesOfAll(owner, held),
  );
}

/** The events after a position, in order. */
export async function readBatch(
  tx: SystemTx,
  orgId: string,
  { after, limit }: { after: number; limit: number },
): Promise<LaneEvent[]> {
  return tx.query<LaneEvent>(
    `SELECT p.pos, p.event_id AS id, p.type, e.body
       FROM event_positions p JOIN events e ON e.org_id = p.org_id AND e.id = p.event_id
      WHERE p.org_id = $1 AND p.pos > $2 ORDER BY p.pos LIMIT $3`,
    [orgId, after, limit],
  );
}

/** A dead letter that somebody asked to be tried again. */
export async function readRetry(
  tx: SystemTx,
  { key }: Hold,
): Promise<(LaneEvent & { attempts: number }) | undefined> {
  return tx.one(
    `SELECT d.pos, d.event_id AS id, e.body, p.type, d.attempts
       FROM event_dead_letters d
       JOIN event_positions p ON p.org_id = d.org_id AND p.pos = d.pos
       JOIN events e ON e.org_id = d.org_id AND e.id = d.event_id
      WHERE d.org_id = $1 AND d.destination = $2 AND d.retry ORDER BY d.pos LIMIT 1`,
    [...key],
  );
}

/**
 * Progress up to `pos`, the evidence of what led there, and what was put aside: all, or nothing where the lane is
 * another's by now.
 */
export async function commitPublished(
  tx: SystemTx,
  hold: Hold,
  progress: { pos: number; publications: readonly Publication[]; refused?: LaneEvent & { code: string } },
): Promise<boolean> {
  const { pos, publications, refused } = progress;
  const sequence = Math.max(0, ...publications.map((one) => one.sequence));
  const ours = await eventLeases.write(
    tx,
    hold,
    `delivered_pos = $5, delivered_sequence = CASE WHEN $6 > 0 THEN $6 ELSE delivered_sequence END,
     delivered_at = clock_timestamp(), ${eventLeases.succeeded}`,
    [pos, sequence],
  );
  if (!ours) return false;
  await insertPublications(tx, hold, publications);
  if (refused) await bury(tx, hold, refused);
  return true;
}

/** The evidence of a dead letter that arrived after all. */
export async function commitRetried(tx: SystemTx, hold: Hold, publication: Publication): Promise<boolean> {
  if (!(await eventLeases.lock(tx, hold))) return false;
  await insertPublications(tx, hold, [publication]);
  await tx.change('DELETE FROM event_dead_letters WHERE org_id = $1 AND destination = $2 AND pos = $3', [
    ...hold.key,
    publication.pos,
  ]);
  return true;
}

/** Puts aside what the destination refused for good; once more where it was tried again. */
export async function commitRefused(
  tx: SystemTx,
  hold: Hold,
  refused: LaneEvent & { code: string },
): Promise<boolean> {
  if (!(await eventLeases.lock(tx, hold))) return false;
  await bury(tx, hold, refused);
  return true;
}

/** Gives the lane back. */
export async function release(tx: SystemTx, hold: Hold): Promise<void> {
  await eventLeases.write(tx, hold, 'lease_owner = NULL, lease_until = NULL');
}

async function insertPublications(
  tx: SystemTx,
  hold: Hold,
  publications: readonly Publication[],
): Promise<void> {
  if (publications.length === 0) return;
  await tx.query(
    `INSERT INTO event_publications
       (org_id, destination, fence, pos, event_id, attempt, stream, sequence, duplicate, payload_sha256)
     SELECT $1, $2, $3, * FROM unnest($4::bigint[], $5::uuid[], $6::integer[], $7::text[], $8::bigint[],
                                      $9::boolean[], $10::bytea[])`,
    [
      ...hold.key,
      hold.fence,
      publications.map(({ pos }) => pos),
      publications.map(({ eventId }) => eventId),
      publications.map(({ attempt }) => attempt),
      publications.map(({ stream }) => stream),
      publications.map(({ sequence }) => sequence),
      publications.map(({ duplicate }) => duplicate),
      publications.map(({ payloadSha256 }) => payloadSha256),
    ],
  );
}

async function bury(
  tx: SystemTx,
  { key }: Hold,
  { pos, id, code }: LaneEvent & { code: string },
): Promise<void> {
  await tx.query(
    `INSERT INTO event_dead_letters (org_id, destination, pos, event_id, code) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (org_id, destination, pos)
     DO UPDATE SET attempts = event_dead_letters.attempts + 1, retry = false, code = $5, at = clock_timestamp()`,
    [...key, pos, id, code],
  );
}
