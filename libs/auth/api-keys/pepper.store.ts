import type { SystemTx } from '#database';

/** The pepper that is derived from the master key: the first of every deployment. See keep-key-peppers. */
export const DERIVED_PEPPER = '00000000-0000-7000-8000-000000000000';

export interface PepperRow {
  readonly id: string;
  readonly wrapped_pepper: string | null;
}

export interface PepperUse {
  readonly id: string;
  readonly created_at: Date;
  readonly retired_at: Date | null;
  readonly live_keys: number;
}

/** Those not retired; the newest, which new digests use, is the last. */
export async function readPeppers(tx: SystemTx): Promise<PepperRow[]> {
  return tx.query<PepperRow>(
    'SELECT id, wrapped_pepper FROM key_peppers WHERE retired_at IS NULL ORDER BY created_at, id',
  );
}

export async function insertPepper(tx: SystemTx, id: string, wrapped: string): Promise<void> {
  // Of two at once one waits, so that they differ in time.
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('key_peppers', 0))`);
  await tx.query(
    'INSERT INTO key_peppers (id, wrapped_pepper, created_at) VALUES ($1, $2, clock_timestamp())',
    [id, wrapped],
  );
}

/** A key that is live or may be again: neither revoked nor expired. An overlap counts while it lasts. */
const USES = `k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
  AND (k.pepper_id = p.id OR k.previous_pepper_id = p.id AND k.previous_until > now())`;

/** Newest first; at most 100. */
export async function readPepperUses(tx: SystemTx): Promise<PepperUse[]> {
  return tx.query<PepperUse>(
    `SELECT p.id, p.created_at, p.retired_at, (SELECT count(*)::int FROM api_keys k WHERE ${USES}) AS live_keys
       FROM key_peppers p ORDER BY p.created_at DESC, p.id DESC LIMIT 100`,
  );
}

/**
 * Erases the peppers that are not the newest and that no live key uses. Answers their ids. They are locked first:
 * whoever is giving a key one of them is waited for, and is refused from then on.
 */
export async function retirePeppers(tx: SystemTx): Promise<string[]> {
  const older = `retired_at IS NULL AND created_at < (SELECT max(created_at) FROM key_peppers)`;
  await tx.query(`SELECT id FROM key_peppers WHERE ${older} ORDER BY id FOR UPDATE`);
  const rows = await tx.query<{ id: string }>(
    `UPDATE key_peppers p SET retired_at = now(), wrapped_pepper = NULL
      WHERE ${older} AND NOT EXISTS (SELECT FROM api_keys k WHERE ${USES}) RETURNING p.id`,
  );
  return rows.map(({ id }) => id);
}
