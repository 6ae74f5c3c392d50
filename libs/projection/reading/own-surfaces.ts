import type { OrgTx, SystemTx } from '#database';
import { readRecorded, type Subject } from '../history/projection.store.ts';

/** A surface of the deployment itself, with what is observed of it now. */
export type OwnSurface = Omit<Subject, 'recorded'>;

/** What the product tells of itself: in no table, observed when it is asked. Implemented by the platform room. */
export abstract class OwnSurfaces {
  /** Those of an organization: some where it is the platform's, none elsewhere. */
  abstract of(org: { readonly id: string; readonly kind: string }): Promise<readonly OwnSurface[]>;

  /** All there are; none before the set-up. */
  abstract all(): Promise<readonly OwnSurface[]>;
}

/** Our own surfaces with what was recorded of them. */
export async function withRecorded(
  tx: OrgTx | SystemTx,
  orgId: string,
  own: readonly OwnSurface[],
): Promise<Subject[]> {
  if (own.length === 0) return [];
  const ids = own.map(({ id }) => id);
  const recorded = await readRecorded(tx, orgId, ids);
  // They are observed anew each time, so what was to expire says nothing.
  return own.map((surface) => {
    const known = recorded.get(surface.id);
    return { ...surface, recorded: known && { snapshot: known.snapshot, expiresAt: undefined } };
  });
}
