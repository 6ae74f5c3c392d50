import { asRole } from './sql.ts';

/**
 * Appends events to a log in bulk, as the superuser, with all triggers off: what stands there in the end is what the
 * product would have written one by one. For logs that would take too long otherwise.
 */
export async function fillLog(adminUrl: string, orgId: string, count: number): Promise<void> {
  for (let done = 0; done < count; done += BATCH) {
    // Under the lock that every append takes: the product may write to the same log at this moment.
    await untriggered(
      adminUrl,
      `BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('audit:${orgId}', 0));
       ${batch(orgId, Math.min(BATCH, count - done))}; COMMIT`,
    );
  }
  await asRole(adminUrl, (query) => query('ANALYZE audit_events, audit_positions'));
}

const BATCH = 50_000;

function batch(orgId: string, count: number): string {
  return `
    WITH head AS (
      SELECT coalesce((SELECT pos FROM audit_positions WHERE org_id = '${orgId}' ORDER BY pos DESC LIMIT 1), 0) AS pos,
             coalesce((SELECT leaf_hash FROM audit_positions WHERE org_id = '${orgId}' ORDER BY pos DESC LIMIT 1),
                      decode(repeat('00', 32), 'hex')) AS hash),
    made AS MATERIALIZED (SELECT n, gen_random_uuid() AS id FROM generate_series(1, ${count}) AS n),
    leaves AS MATERIALIZED (
      SELECT n, id, '{"action":"org.updated","actor":{"id":"spec","type":"system"},"commitments":{},"id":"' || id
        || '","org":"${orgId}","outcome":"success","request":{"id":"r","method":"PATCH","route":"/"},"target":{"id":"x",'
        || '"type":"organization"},"time":"2026-11-22T03:00:00.000Z","v":1}' AS leaf FROM made),
    hashed AS MATERIALIZED (
      SELECT n, id, leaf, sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')) AS hash FROM leaves),
    events AS (
      INSERT INTO audit_events (org_id, id, leaf, personal, leaf_hash, time, action, outcome,
                                actor_type, actor_id, target_type, target_id, xid, tx_time)
      SELECT '${orgId}', id, leaf, '{}', hash, '2026-11-22T03:00:00Z', 'org.updated', 'success',
             'system', 'spec', 'organization', 'x', pg_current_xact_id(), now() FROM hashed ORDER BY n)
    INSERT INTO audit_positions (org_id, pos, event_id, leaf_hash, prev_hash)
    SELECT '${orgId}', head.pos + n, id, hashed.hash,
           coalesce(lag(hashed.hash) OVER (ORDER BY n), head.hash) FROM hashed, head ORDER BY n`;
}

/** Changes a log as only a superuser can, who switches the triggers off. */
export async function tamper(adminUrl: string, sql: string, values?: unknown[]): Promise<void> {
  await untriggered(adminUrl, values === undefined ? sql : inline(sql, values));
}

async function untriggered(adminUrl: string, sql: string): Promise<void> {
  await asRole(adminUrl, async (query) => {
    await query('SET session_replication_role = replica');
    await query(sql);
  });
}

/** Several statements in one round trip take no parameters. */
function inline(sql: string, values: unknown[]): string {
  return sql.replaceAll(/\$(\d+)/g, (_, n: string) => {
    const value = values[Number(n) - 1];
    return typeof value === 'number' ? String(value) : `'${String(value)}'`;
  });
}
