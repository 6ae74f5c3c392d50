import pg from 'pg';
import { SCHEMA } from './prepare.ts';

/**
 * The check value of the master key that a database is of; undefined where it has none yet. Read before anything is
 * written or migrated, so by whatever schema an older build left.
 */
export async function readKeyCheck(ownerUrl: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: ownerUrl, application_name: 'portcullis-prepare' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ found: boolean }>(
      'select to_regclass($1) is not null as found',
      [`${SCHEMA}.deployment`],
    );
    if (!tables[0]?.found) return undefined;
    const { rows } = await client.query<{ master_key_check: string }>(
      `select master_key_check from ${SCHEMA}.deployment`,
    );
    return rows[0]?.master_key_check;
  } finally {
    await client.end().catch(() => undefined);
  }
}
