import type { OrgTx, SystemTx } from '#database';

export interface DestinationRow {
  readonly destination: string;
  readonly delivered_pos: string;
  readonly head: string;
  readonly breaker: string;
  readonly failures: number;
  readonly dead: string;
  readonly delivered_at: Date | null;
  readonly retry_at: Date | null;
  readonly last_error: string | null;
  readonly last_error_at: Date | null;
}

const HEAD = `coalesce((SELECT p.pos FROM event_positions p WHERE p.org_id = s.org_id
                         ORDER BY p.pos DESC LIMIT 1), 0)`;

/** How far each destination of the organization’s events is; there are a few. */
export async function readDestinations(tx: OrgTx): Promise<DestinationRow[]> {
  return tx.query<DestinationRow>(
    `SELECT s.destination, s.delivered_pos, s.breaker, s.failures, s.delivered_at, s.retry_at, s.last_error,
            s.last_error_at,
            ${HEAD} AS head,
            (SELECT count(*) FROM event_dead_letters d
              WHERE d.org_id = s.org_id AND d.destination = s.destination) AS dead
       FROM event_lanes s WHERE s.org_id = $1 ORDER BY s.destination LIMIT 100`,
    [tx.orgId],
  );
}

export interface LagRow {
  readonly destination: string;
  readonly lag: string;
  readonly dead: string;
}

/** What is still to go to each destination, of all organizations; of dead letters at most 10,000 are counted. */
export async function readLags(tx: SystemTx): Promise<LagRow[]> {
  return tx.query<LagRow>(
    `SELECT s.destination, sum(greatest(0, ${HEAD} - s.delivered_pos)) AS lag,
            (SELECT count(*) FROM (SELECT FROM event_dead_letters d
                                    WHERE d.destination = s.destination LIMIT 10000) n) AS dead
       FROM event_lanes s GROUP BY s.destination ORDER BY s.destination LIMIT 100`,
  );
}

export interface DeadEventRow {
  /** Of the event. */
  readonly id: string;
  readonly pos: string;
  readonly destination: string;
  readonly code: string;
  readonly attempts: number;
  readonly retry: boolean;
  readonly at: Date;
}

/** Dead letters by descending id of the event. */
export async function readDeadLetters(
  tx: OrgTx,
  { destination, limit, before }: { destination: string; limit: number; before: string | undefined },
): Promise<DeadEventRow[]> {
  return tx.query<DeadEventRow>(
    `SELECT event_id AS id, pos, destination, code, attempts, retry, at FROM event_dead_letters
      WHERE org_id = $1 AND destination = $2 AND ($3::uuid IS NULL OR event_id < $3)
      ORDER BY event_id DESC LIMIT $4`,
    [tx.orgId, destination, before ?? null, limit],
  );
}

/** Has dead letters tried again, these or all; how many. */
export async function markRetries(
  tx: OrgTx,
  destination: string,
  eventIds: readonly string[] | undefined,
): Promise<number> {
  return tx.change(
    `UPDATE event_dead_letters SET retry = true
      WHERE org_id = $1 AND destination = $2 AND ($3::uuid[] IS NULL OR event_id = ANY ($3))`,
    [tx.orgId, destination, eventIds ?? null],
  );
}
