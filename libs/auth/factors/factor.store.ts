import type { SystemTx } from '#database';
import { newId } from '#kernel';
import type { FactorKind, PersonFacts } from '../sign-in/sign-in-steps.ts';
import { policyOf } from '../policy/org-policy.ts';
import type { Assertion, NewCredential } from './passkeys.ts';

interface CommonColumns {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  readonly created_at: Date;
  readonly last_used_at: Date | null;
}

export interface TotpRow extends CommonColumns {
  readonly kind: 'totp';
  readonly wrapped_secret: string;
}

export interface PasskeyRow extends CommonColumns {
  readonly kind: 'passkey';
  readonly credential_id: string;
  readonly public_key: string;
  readonly aaguid: string | null;
  readonly transports: string[];
  readonly device_bound: boolean;
  readonly backed_up: boolean;
}

export type FactorRow = TotpRow | PasskeyRow;

const COLUMNS = `id, user_id, kind, name, created_at, last_used_at, wrapped_secret, credential_id, public_key, aaguid,
  transports, device_bound, backed_up`;

/** A person's factors, oldest first. */
export async function readFactors(tx: SystemTx, userId: string): Promise<FactorRow[]> {
  return tx.query<FactorRow>(`SELECT ${COLUMNS} FROM factors WHERE user_id = $1 ORDER BY id`, [userId]);
}

export async function findPasskey(tx: SystemTx, credentialId: string): Promise<PasskeyRow | undefined> {
  return tx.one<PasskeyRow>(`SELECT ${COLUMNS} FROM factors WHERE credential_id = $1`, [credentialId]);
}

/** What decides which steps a person has to go, in an organization. */
export async function readPersonFacts(
  tx: SystemTx,
  userId: string,
  orgId: string,
  passkeysWork: boolean,
): Promise<PersonFacts> {
  const row = await tx.one<{
    must_change: boolean;
    settings: unknown;
    kinds: FactorKind[];
    has_codes: boolean;
  }>(
    `SELECT coalesce((SELECT must_change FROM passwords WHERE user_id = $1), false) AS must_change,
            (SELECT settings FROM org_policies WHERE org_id = $2) AS settings,
            ARRAY(SELECT kind FROM factors WHERE user_id = $1) AS kinds,
            EXISTS (SELECT FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL) AS has_codes`,
    [userId, orgId],
  );
  if (!row) throw new Error('a query without FROM answered nothing');
  return {
    mustChange: row.must_change,
    mfa: policyOf(row.settings ?? undefined).mfa,
    factors: new Set(row.kinds),
    hasRecoveryCodes: row.has_codes,
    passkeysWork,
  };
}

/** Of two changes of a person's factors each sees what the other left. */
export async function lockPerson(tx: SystemTx, userId: string): Promise<void> {
  await tx.query('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [userId]);
}

export async function insertTotp(
  tx: SystemTx,
  factor: { id: string; userId: string; name: string; wrappedSecret: string; step: number },
): Promise<void> {
  await tx.query(
    `INSERT INTO factors (id, user_id, kind, name, wrapped_secret, last_step, last_used_at)
     VALUES ($1, $2, 'totp', $3, $4, $5, now())`,
    [factor.id, factor.userId, factor.name, factor.wrappedSecret, factor.step],
  );
}

/** False where somebody has this credential already. */
export async function insertPasskey(
  tx: SystemTx,
  factor: { id: string; userId: string; name: string; credential: NewCredential },
): Promise<boolean> {
  const { credential } = factor;
  const inserted = await tx.change(
    `INSERT INTO factors (id, user_id, kind, name, credential_id, public_key, sign_count, aaguid, transports,
                          device_bound, backed_up, last_used_at)
     VALUES ($1, $2, 'passkey', $3, $4, $5, $6, $7, $8, $9, $10, now()) ON CONFLICT (credential_id) DO NOTHING`,
    [
      factor.id,
      factor.userId,
      factor.name,
      credential.id,
      credential.publicKey,
      credential.signCount,
      credential.aaguid,
      credential.transports,
      credential.deviceBound,
      credential.backedUp,
    ],
  );
  return inserted > 0;
}

/** Uses a TOTP step: true once for each step, and for none before one that was used. */
export async function useTotpStep(tx: SystemTx, id: string, step: number): Promise<boolean> {
  const used = await tx.change(
    'UPDATE factors SET last_step = $2, last_used_at = now() WHERE id = $1 AND last_step < $2',
    [id, step],
  );
  return used > 0;
}

/**
 * Uses an assertion: false where the counter did not go forward (WebAuthn section 6.1.1), unless the authenticator
 * counts nothing at all.
 */
export async function useAssertion(
  tx: SystemTx,
  id: string,
  { signCount, backedUp }: Assertion,
): Promise<boolean> {
  const used = await tx.change(
    `UPDATE factors SET sign_count = $2, backed_up = $3, last_used_at = now()
      WHERE id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))`,
    [id, signCount, backedUp],
  );
  return used > 0;
}

/** What kind of factor it was that is gone; undefined where the person has no such one. */
export async function deleteFactor(
  tx: SystemTx,
  userId: string,
  id: string,
): Promise<FactorKind | undefined> {
  const row = await tx.one<{ kind: FactorKind }>(
    'DELETE FROM factors WHERE user_id = $1 AND id = $2 RETURNING kind',
    [userId, id],
  );
  return row?.kind;
}

/** The person's codes from now on; the ones before are gone. None are left where none are given. */
export async function replaceRecoveryCodes(
  tx: SystemTx,
  userId: string,
  digests: readonly string[],
): Promise<void> {
  await tx.query('DELETE FROM recovery_codes WHERE user_id = $1', [userId]);
  await tx.query(
    'INSERT INTO recovery_codes (id, user_id, digest) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[])',
    [digests.map(() => newId()), digests.map(() => userId), digests],
  );
}

/** Uses a recovery code: true once. */
export async function useRecoveryCode(tx: SystemTx, userId: string, digest: string): Promise<boolean> {
  const used = await tx.change(
    'UPDATE recovery_codes SET used_at = now() WHERE user_id = $1 AND digest = $2 AND used_at IS NULL',
    [userId, digest],
  );
  return used > 0;
}

/** How many codes the person has left. */
export async function countRecoveryCodes(tx: SystemTx, userId: string): Promise<number> {
  const row = await tx.one<{ count: number }>(
    'SELECT count(*)::int AS count FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL',
    [userId],
  );
  return row?.count ?? 0;
}
