import pg from 'pg';
import { inject } from 'vitest';
import { randomText } from '#kernel';
import { type DatabaseUrls, prepareDatabase } from '#database';
import { until } from './until.ts';

/** A database of a spec's own, with the whole schema in it. */
export interface TestDatabase {
  readonly urls: DatabaseUrls;
  /** The superuser's URL: for looking behind the product's back, never for the product. */
  readonly adminUrl: string;
  drop(): Promise<void>;
}

/** Clones the migrated template; call it in beforeAll and drop() in afterAll. */
export async function cloneDatabase(): Promise<TestDatabase> {
  const { adminUrl: server, template } = inject('databaseServer');
  const { adminUrl, drop } = await create(server, template);
  // Grants on the database itself are not cloned.
  return { urls: await prepareDatabase(adminUrl), adminUrl, drop };
}

/** An empty database that nothing has prepared. */
export async function emptyDatabase(
  server = inject('databaseServer').adminUrl,
): Promise<Omit<TestDatabase, 'urls'>> {
  return create(server, 'template1');
}

async function create(server: string, template: string): Promise<Omit<TestDatabase, 'urls'>> {
  const name = `test_${Buffer.from(randomText(9), 'base64url').toString('hex')}`;
  await until(() => copied(server, name, template));
  const url = new URL(server);
  url.pathname = name;
  return {
    adminUrl: url.href,
    drop: async () => {
      await run(server, `drop database if exists ${name} with (force)`);
    },
  };
}

/** False where somebody is in the template at this moment, such as PostgreSQL's own vacuum. */
async function copied(server: string, name: string, template: string): Promise<boolean> {
  try {
    await run(server, `create database ${name} template ${template} strategy file_copy`);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === '55006') return false;
    throw error;
  }
}

/** Runs one statement on a connection of its own. */
export async function run(url: string, sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}
