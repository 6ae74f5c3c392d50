import type { SystemTx } from '#database';

/** Where a key stands: published, signing, verifying what it signed, and over. */
export const signingKeyStates = ['next', 'current', 'retiring', 'retired', 'withdrawn'] as const;
export type SigningKeyState = (typeof signingKeyStates)[number];

export interface AcceptedKeyRow {
  readonly kid: string;
  readonly public_jwk: string;
  readonly wrapped_private: string;
  readonly state: 'current' | 'next' | 'retiring';
}

export interface SigningKeyRow {
  readonly kid: string;
  readonly state: SigningKeyState;
  readonly created_at: Date;
  readonly signs_from: Date | null;
  readonly signs_until: Date | null;
  readonly retired_at: Date | null;
}

/** Keys whose tokens are accepted: the one that signs, the next one, and those before, newest first. */
export async function readAcceptedKeys(tx: SystemTx): Promise<AcceptedKeyRow[]> {
  return tx.query<AcceptedKeyRow>(
    `SELECT kid, public_jwk, wrapped_private, state FROM signing_keys WHERE retired_at IS NULL
      ORDER BY array_position(ARRAY['current', 'next', 'retiring'], state), created_at DESC`,
  );
}

export async function isKeyAccepted(tx: SystemTx, kid: string): Promise<boolean> {
  const row = await tx.one('SELECT 1 FROM signing_keys WHERE kid = $1 AND retired_at IS NULL', [kid]);
  return row !== undefined;
}

/** The next, the current, those before, then those that are over, newest first; at most 100. */
export async function readSigningKeys(tx: SystemTx): Promise<SigningKeyRow[]> {
  return tx.query<SigningKeyRow>(
    `SELECT kid, state, created_at, signs_from, signs_until, retired_at FROM signing_keys
      ORDER BY array_position(ARRAY['next', 'current', 'retiring'], state), created_at DESC LIMIT 100`,
  );
}

export async function readDeploymentId(tx: SystemTx): Promise<string> {
  return (await tx.one<{ id: string }>('SELECT id FROM deployment'))?.id ?? '';
}

/** Of two changes of the keys at once one waits for the other. */
export async function lockSigningKeys(tx: SystemTx): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('signing_keys', 0))`);
}

export async function insertSigningKey(
  tx: SystemTx,
  key: { kid: string; publicJwk: string; wrappedPrivate: string; state: 'next' | 'current' },
): Promise<void> {
  await tx.query(
    `INSERT INTO signing_keys (kid, public_jwk, wrapped_private, state, signs_from)
     VALUES ($1, $2, $3, $4, CASE WHEN $4 = 'current' THEN now() END)`,
    [key.kid, key.publicJwk, key.wrappedPrivate, key.state],
  );
}

/** The key of a state that one key at most is in. `due` is whether it is that for `seconds` already. */
export async function readKeyIn(
  tx: SystemTx,
  state: 'next' | 'current',
  seconds: number,
): Promise<{ kid: string; due: boolean; due_at: Date } | undefined> {
  return tx.one(
    `SELECT kid, since + make_interval(secs => $2) <= now() AS due, since + make_interval(secs => $2) AS due_at
       FROM (SELECT kid, CASE $1 WHEN 'next' THEN created_at ELSE signs_from END AS since
               FROM signing_keys WHERE state = $1) k`,
    [state, seconds],
  );
}

/** The current key signs no more; it verifies until it is retired. */
export async function stopSigning(tx: SystemTx): Promise<void> {
  await tx.query(`UPDATE signing_keys SET state = 'retiring', signs_until = now() WHERE state = 'current'`);
}

export async function startSigning(tx: SystemTx, kid: string): Promise<void> {
  await tx.query(`UPDATE signing_keys SET state = 'current', signs_from = now() WHERE kid = $1`, [kid]);
}

/** Ends the keys that signed last more than `seconds` ago, and erases their private halves. */
export async function retireKeys(tx: SystemTx, seconds: number): Promise<string[]> {
  const rows = await tx.query<{ kid: string }>(
    `UPDATE signing_keys SET state = 'retired', retired_at = now(), wrapped_private = ''
      WHERE state = 'retiring' AND signs_until < now() - make_interval(secs => $1) RETURNING kid`,
    [seconds],
  );
  return rows.map(({ kid }) => kid);
}

/** Ends an accepted key at once. Answers what it was; undefined where no such key is accepted. */
export async function withdrawKey(
  tx: SystemTx,
  kid: string,
): Promise<'next' | 'current' | 'retiring' | undefined> {
  const before = await tx.one<{ state: 'next' | 'current' | 'retiring' }>(
    'SELECT state FROM signing_keys WHERE kid = $1 AND retired_at IS NULL FOR UPDATE',
    [kid],
  );
  if (!before) return undefined;
  await tx.query(
    `UPDATE signing_keys SET state = 'withdrawn', retired_at = now(), wrapped_private = '',
            signs_until = CASE WHEN state = 'current' THEN now() ELSE signs_until END WHERE kid = $1`,
    [kid],
  );
  return before.state;
}
