import type { SystemTx } from '#database';
import type { WrappedColumn } from './wrapped-columns.ts';

export interface WrappedRow {
  readonly context: string;
  readonly wrapped: string;
}

/** One rotation at a time. Answers the check value of the key the database is of. */
export async function lockMasterKeyCheck(tx: SystemTx): Promise<string> {
  const row = await tx.one<{ master_key_check: string }>(
    'SELECT master_key_check FROM deployment FOR UPDATE',
  );
  return row?.master_key_check ?? '';
}

export async function readMasterKeyCheck(tx: SystemTx): Promise<string> {
  const row = await tx.one<{ master_key_check: string }>('SELECT master_key_check FROM deployment');
  return row?.master_key_check ?? '';
}

export async function setMasterKeyCheck(tx: SystemTx, checkValue: string): Promise<void> {
  await tx.query('UPDATE deployment SET master_key_check = $1', [checkValue]);
}

/**
 * The next rows by context that another key than this one wrapped, against who changes or erases one of them
 * meanwhile.
 */
export async function lockWrapped(
  tx: SystemTx,
  { table, column, context }: WrappedColumn,
  besides: string,
  after: string,
  limit: number,
): Promise<WrappedRow[]> {
  return tx.query<WrappedRow>(
    `SELECT ${context} AS context, ${column} AS wrapped FROM ${table}
      WHERE ${column} <> '' AND NOT starts_with(${column}, $1) AND (${context}) COLLATE "C" > $2
      ORDER BY (${context}) COLLATE "C" LIMIT $3 FOR UPDATE`,
    [`${besides}.`, after, limit],
  );
}

/** All in one statement. */
export async function storeWrapped(
  tx: SystemTx,
  { table, column, context }: WrappedColumn,
  rows: readonly WrappedRow[],
): Promise<void> {
  await tx.query(
    `UPDATE ${table} SET ${column} = r.wrapped
       FROM unnest($1::text[], $2::text[]) AS r(for_context, wrapped) WHERE ${context} = r.for_context`,
    [rows.map((row) => row.context), rows.map((row) => row.wrapped)],
  );
}

/** The pepper of API keys that is derived from the master key and stored nowhere, while keys may need it. */
export async function lockDerivedPepper(tx: SystemTx): Promise<string | undefined> {
  const row = await tx.one<{ id: string }>(
    'SELECT id FROM key_peppers WHERE wrapped_pepper IS NULL AND retired_at IS NULL FOR UPDATE',
  );
  return row?.id;
}

export async function storePepper(tx: SystemTx, id: string, wrapped: string): Promise<void> {
  await tx.query('UPDATE key_peppers SET wrapped_pepper = $2 WHERE id = $1', [id, wrapped]);
}
