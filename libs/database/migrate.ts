import pg from 'pg';
import { DataSource, type MigrationInterface } from 'typeorm';
import { StartError } from '#kernel';
import { SCHEMA } from './prepare.ts';

/** Migrations in the order of their timestamps, which TypeORM reads from the end of the class names. */
export type MigrationList = readonly (new () => MigrationInterface)[];

/** Held by the replica that migrates; the others wait for it and then find nothing left to do. */
const MIGRATE_LOCK = 7_046_029_254_386_354;
const TABLE = 'migrations';

/** Brings the schema up to this build and says what it applied; refuses a database from a newer build. */
export async function migrate(ownerUrl: string, migrations: MigrationList): Promise<{ applied: string[] }> {
  // A connection of its own: the lock must outlive every transaction of the migrations, and no pool.
  const lock = new pg.Client({ connectionString: ownerUrl, application_name: 'portcullis-migrate' });
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATE_LOCK]);
    await refuseUnknown(lock, migrations);
    return { applied: await run(ownerUrl, migrations) };
  } finally {
    await lock.end().catch(() => undefined);
  }
}

async function run(url: string, migrations: MigrationList): Promise<string[]> {
  const source = new DataSource({
    type: 'postgres',
    url,
    schema: SCHEMA,
    migrations: [...migrations],
    migrationsTableName: TABLE,
    installExtensions: false,
    // A failure is thrown with its cause; this logger speaks only where DEBUG asks for it.
    logger: 'debug',
    poolSize: 1,
    applicationName: 'portcullis-migrate',
  });
  await source.initialize();
  try {
    const applied = await source.runMigrations({ transaction: 'each' });
    return applied.map(({ name }) => name);
  } finally {
    await source.destroy();
  }
}

/** An older build must not write into a schema it does not know. */
async function refuseUnknown(client: pg.Client, migrations: MigrationList): Promise<void> {
  const { rows: tables } = await client.query<{ found: boolean }>(
    'select to_regclass($1) is not null as found',
    [`${SCHEMA}.${TABLE}`],
  );
  if (!tables[0]?.found) return;
  const { rows } = await client.query<{ name: string }>(`select name from ${SCHEMA}.${TABLE} order by id`);
  const known = new Set(migrations.map((Migration) => new Migration().name ?? Migration.name));
  const unknown = rows.map(({ name }) => name).filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw new StartError(
    `the database was migrated by a newer build than this one (it holds ${unknown.join(', ')}). ` +
      `Start that build or a later one, or restore a backup from before.`,
  );
}
