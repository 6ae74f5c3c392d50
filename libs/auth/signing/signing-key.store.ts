import type { SystemTx } from '#database';

export interface SigningKeyRow {
  readonly kid: string;
  readonly public_jwk: string;
  readonly wrapped_private: string;
}

/** Keys whose tokens may still be alive, oldest first. */
export async function readSigningKeys(tx: SystemTx): Promise<SigningKeyRow[]> {
  return tx.query<SigningKeyRow>(
    'SELECT kid, public_jwk, wrapped_private FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at',
  );
}

export async function readDeploymentId(tx: SystemTx): Promise<string> {
  return (await tx.one<{ id: string }>('SELECT id FROM deployment'))?.id ?? '';
}

export async function insertSigningKey(
  tx: SystemTx,
  key: { kid: string; publicJwk: string; wrappedPrivate: string },
): Promise<void> {
  await tx.query('INSERT INTO signing_keys (kid, public_jwk, wrapped_private) VALUES ($1, $2, $3)', [
    key.kid,
    key.publicJwk,
    key.wrappedPrivate,
  ]);
}
