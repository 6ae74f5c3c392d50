import type { SystemTx } from '#database';

/** Logs whose oldest event is older than so many days, with the newest position that may go of each. */
export async function readOutdated(
  tx: SystemTx,
  { days, destinations, limit }: { days: number; destinations: readonly string[]; limit: number },
): Promise<{ org_id: string; pruned_up_to: string }[]> {
  return tx.query(
    `SELECT l.org_id, l.pruned_up_to FROM event_logs l
      WHERE EXISTS (SELECT FROM event_positions p
                     WHERE p.org_id = l.org_id AND p.pos = l.pruned_up_to + 1
                       AND p.at < now() - make_interval(days => $1)
                       -- The newest stays, for positions continue after it.
                       AND p.pos < (SELECT max(q.pos) FROM event_positions q WHERE q.org_id = l.org_id))
        -- What a destination has not got yet waits for it.
        AND NOT EXISTS (SELECT FROM event_lanes s WHERE s.org_id = l.org_id AND s.destination = ANY ($2)
                           AND s.delivered_pos <= l.pruned_up_to)
      ORDER BY l.org_id LIMIT $3`,
    [days, destinations, limit],
  );
}

/** Drops the next outdated events of one log with their evidence, at most `most`; how many. */
export async function dropOutdated(
  tx: SystemTx,
  orgId: string,
  { days, destinations, most }: { days: number; destinations: readonly string[]; most: number },
): Promise<number> {
  const found = await tx.one<{ up_to: string | null; after: string }>(
    `SELECT l.pruned_up_to AS after, least(
        (SELECT max(p.pos) FROM (
           SELECT p.pos, p.at FROM event_positions p
            WHERE p.org_id = $1 AND p.pos > l.pruned_up_to ORDER BY p.pos LIMIT $4) p
          WHERE p.at < now() - make_interval(days => $2)),
        (SELECT max(p.pos) - 1 FROM event_positions p WHERE p.org_id = $1),
        (SELECT min(s.delivered_pos) FROM event_lanes s WHERE s.org_id = $1 AND s.destination = ANY ($3))) AS up_to
       FROM event_logs l WHERE l.org_id = $1 FOR UPDATE`,
    [orgId, days, destinations, most],
  );
  const upTo = Number(found?.up_to ?? 0);
  const after = Number(found?.after ?? 0);
  if (upTo <= after) return 0;
  const range = [orgId, after, upTo];
  await tx.query('UPDATE event_logs SET pruned_up_to = $2 WHERE org_id = $1', [orgId, upTo]);
  await tx.query('DELETE FROM event_publications WHERE org_id = $1 AND pos > $2 AND pos <= $3', range);
  await tx.query('DELETE FROM event_dead_letters WHERE org_id = $1 AND pos > $2 AND pos <= $3', range);
  await tx.query(
    `DELETE FROM events e USING event_positions p
      WHERE p.org_id = $1 AND p.pos > $2 AND p.pos <= $3 AND e.org_id = $1 AND e.id = p.event_id`,
    range,
  );
  return tx.change('DELETE FROM event_positions WHERE org_id = $1 AND pos > $2 AND pos <= $3', range);
}
