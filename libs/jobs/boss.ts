import { type ConstructorOptions, PgBoss } from 'pg-boss';

/** The schema that the migration made. */
const SCHEMA = 'pgboss';

/** What the driver's pool takes beside what pg-boss declares, and pg-boss hands on to it. */
interface PoolOptions {
  readonly statement_timeout: number;
  readonly query_timeout: number;
  readonly keepAlive: boolean;
}

/**
 * pg-boss, which makes and changes no tables here: the migrations do. Two connections where it works (one to ask on,
 * one to hear of new jobs), else one that closes while nothing is added. `scheduled`: some queue has a cron.
 */
export function makeBoss(connectionString: string, works: boolean, scheduled: boolean): PgBoss {
  const options: ConstructorOptions & PoolOptions = {
    connectionString,
    schema: SCHEMA,
    application_name: 'portcullis jobs',
    max: 1,
    connectionTimeoutMillis: 5_000,
    // A server that went silent must not hold the only connection for ever.
    statement_timeout: 15_000,
    query_timeout: 20_000,
    keepAlive: true,
    migrate: false,
    createSchema: false,
    // Rebuilding indexes takes their owner; autovacuum is the operator's.
    reindex: false,
    monitorVacuum: false,
    useListenNotify: works,
    schedule: works && scheduled,
    supervise: works,
    // How soon the jobs of a worker that died are found, after their heartbeat has failed.
    superviseIntervalSeconds: 10,
    monitorIntervalSeconds: 10,
    queueCacheIntervalSeconds: 3_600,
    // Flows are not used.
    flowIntervalSeconds: 3_600,
  };
  return new PgBoss(options);
}
