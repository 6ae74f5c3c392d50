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
