import type { SystemTx } from '#database';
import { assuranceOf, type Proof } from '../assurance.ts';

/** What a session stands on; held, so that of two proofs at once none is lost. */
export async function lockProof(tx: SystemTx, sessionId: string): Promise<Proof> {
  const row = await tx.one<{
    auth_methods: string[];
    password_at: Date | null;
    factor_at: Date | null;
    factor_id: string | null;
  }>('SELECT auth_methods, password_at, factor_at, factor_id FROM sessions WHERE id = $1 FOR NO KEY UPDATE', [
    sessionId,
  ]);
  return {
    authMethods: row?.auth_methods ?? [],
    passwordAt: row?.password_at?.toISOString(),
    factorAt: row?.factor_at?.toISOString(),
    factorId: row?.factor_id ?? undefined,
  };
}

/** Every replica hears of it, by trigger, before the change answers. */
export async function storeProof(tx: SystemTx, sessionId: string, proof: Proof): Promise<void> {
  await tx.query(
    `UPDATE sessions SET auth_methods = $2, assurance = $3, password_at = $4, factor_at = $5, factor_id = $6
      WHERE id = $1`,
    [
      sessionId,
      proof.authMethods,
      assuranceOf(proof.authMethods),
      proof.passwordAt,
      proof.factorAt,
      proof.factorId,
    ],
  );
}
