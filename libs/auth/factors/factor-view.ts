import type { FactorRow } from './factor.store.ts';
import type { FactorView } from './factors.contract.ts';
import type { Credential } from './passkeys.ts';

/** A factor as its owner and admins see it. */
export function factorView(row: FactorRow): FactorView {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    createdAt: row.created_at.toISOString(),
    ...(row.last_used_at && { lastUsedAt: row.last_used_at.toISOString() }),
    ...(row.kind === 'passkey' && {
      aaguid: row.aaguid ?? undefined,
      transports: row.transports,
      deviceBound: row.device_bound,
      backedUp: row.backed_up,
    }),
  };
}

export function credentialsOf(rows: readonly FactorRow[]): Credential[] {
  return rows.flatMap((row) =>
    row.kind === 'passkey' ? [{ id: row.credential_id, transports: row.transports }] : [],
  );
}
