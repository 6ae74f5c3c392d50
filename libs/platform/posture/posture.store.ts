import type { SystemTx } from '#database';

export interface SinkHealth {
  readonly sinks: number;
  /** Lanes whose receiver does not take what is sent. */
  readonly broken: number;
  readonly dead: number;
}

export async function readSinkHealth(tx: SystemTx): Promise<SinkHealth> {
  const row = await tx.one<{ sinks: string; broken: string; dead: string }>(
    `SELECT (SELECT count(*) FROM audit_sinks WHERE enabled) AS sinks,
            (SELECT count(*) FROM audit_sink_state WHERE breaker <> 'closed') AS broken,
            (SELECT count(*) FROM (SELECT FROM audit_sink_dead LIMIT 1000) d) AS dead`,
  );
  return { sinks: Number(row?.sinks), broken: Number(row?.broken), dead: Number(row?.dead) };
}

export async function readMasterKeyCheck(tx: SystemTx): Promise<string | undefined> {
  return (await tx.one<{ master_key_check: string }>('SELECT master_key_check FROM deployment'))
    ?.master_key_check;
}

/** Seconds since a worker last looked after the queues; undefined where none ever did. */
export async function readWorkerSilence(tx: SystemTx): Promise<number | undefined> {
  const row = await tx.one<{ silent: string | null }>(
    `SELECT extract(epoch FROM clock_timestamp() - max(monitor_on)) AS silent FROM pgboss.queue`,
  );
  return row?.silent === null || row?.silent === undefined ? undefined : Number(row.silent);
}

export interface IntakeHealth {
  /** Hooks that take anything. */
  readonly hooks: number;
  /** Repositories that were not read as a whole for an hour, six times as long as a round takes. */
  readonly behind: number;
  /** Deliveries whose reading failed for good, and whose repository was not read as a whole since. */
  readonly dead: number;
}

export async function readIntakeHealth(tx: SystemTx, now: Date): Promise<IntakeHealth> {
  const live = `SELECT h.id, h.repositories, h.created_at FROM gitea_hooks h JOIN organizations o ON o.id = h.org_id
                 WHERE h.enabled AND o.status = 'active'`;
  const row = await tx.one<{ hooks: string; behind: string; dead: string }>(
    `WITH live AS (${live})
     SELECT (SELECT count(*) FROM live) AS hooks,
            (SELECT count(*) FROM (
               SELECT FROM live h CROSS JOIN LATERAL unnest(h.repositories) AS n (name)
                 LEFT JOIN gitea_repositories r ON r.hook_id = h.id AND r.name = n.name
                WHERE coalesce(r.read_at, h.created_at) < $1::timestamptz - interval '1 hour' LIMIT 1000) b) AS behind,
            (SELECT count(*) FROM (
               SELECT FROM gitea_deliveries d JOIN live h ON h.id = d.hook_id
                 LEFT JOIN gitea_repositories r ON r.hook_id = d.hook_id AND r.name = d.repository
                WHERE d.state = 'failed' AND d.verdict = 'accepted' AND d.source = 'webhook'
                  AND coalesce(r.read_at, '-infinity') < d.received_at LIMIT 1000) d) AS dead`,
    [now],
  );
  return { hooks: Number(row?.hooks), behind: Number(row?.behind), dead: Number(row?.dead) };
}

export interface RolloutHealth {
  readonly policies: number;
  /** Rollouts that are being carried out, or taken back, by no job. */
  readonly stuck: number;
  /** Uses of a break-glass that nobody reviewed in time. */
  readonly overdue: number;
}

export async function readRolloutHealth(tx: SystemTx, now: Date): Promise<RolloutHealth> {
  const row = await tx.one<{ policies: string; stuck: string; overdue: string }>(
    `SELECT (SELECT count(*) FROM (SELECT FROM rollout_policies LIMIT 1) p) AS policies,
            (SELECT count(*) FROM (
               SELECT FROM rollouts r WHERE r.state IN ('executing', 'rolling_back')
                  AND NOT EXISTS (SELECT FROM pgboss.job j WHERE j.name = 'rollout_advance' AND j.id = r.job_id
                                     AND j.state IN ('created', 'retry', 'active')) LIMIT 1000) s) AS stuck,
            (SELECT count(*) FROM (
               SELECT FROM rollout_break_glass WHERE reviewed_at IS NULL AND review_due_at < $1 LIMIT 1000) g) AS overdue`,
    [now],
  );
  return { policies: Number(row?.policies), stuck: Number(row?.stuck), overdue: Number(row?.overdue) };
}
