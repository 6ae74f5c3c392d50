import pg from 'pg';
import { newId } from '#kernel';

export type Query = (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** A connection of its own, for as long as `work` takes. */
export async function asRole<T>(url: string, work: (query: Query) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('SET search_path = portcullis');
    return await work(async (sql, values) => {
      const result = await client.query<Record<string, unknown>>(sql, values);
      return result.rows;
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Appends an audit record of `orgId` in the open transaction. */
export async function appendRecord(query: Query, orgId: string): Promise<void> {
  const id = newId();
  const leaf = {
    v: 1,
    id,
    org: orgId,
    time: new Date().toISOString(),
    actor: { type: 'system', id: 'test' },
    action: 'org.updated',
    target: { type: 'organization', id: orgId },
    outcome: 'success',
    request: { id: 'test', method: '-', route: '-' },
    commitments: {},
  };
  await query(`INSERT INTO audit_events (org_id, id, leaf, personal) VALUES ($1, $2, $3, '{}')`, [
    orgId,
    id,
    JSON.stringify(leaf),
  ]);
}

/** The SQLSTATE this ends with, or 'ok'. Leaves no transaction open. */
export async function stateOf(query: Query, work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'ok';
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error);
  } finally {
    await query('ROLLBACK');
  }
}

/** Every table of the product and the column that names its organization, where it has one. */
export async function orgTables(adminUrl: string): Promise<{ table: string; column: string }[]> {
  const rows = await asRole(adminUrl, (query) =>
    query(
      `SELECT c.relname AS table, CASE c.relname WHEN 'organizations' THEN 'id' ELSE 'org_id' END AS column
         FROM pg_class c
        WHERE c.relnamespace = 'portcullis'::regnamespace AND c.relkind IN ('r', 'p')
          AND (c.relname = 'organizations' OR EXISTS (
                SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped))
        ORDER BY 1`,
    ),
  );
  return rows as unknown as { table: string; column: string }[];
}
