import type { Subject } from '../history/projection.store.ts';

/** A surface of the deployment itself, with what is observed of it now. */
export type OwnSurface = Omit<Subject, 'recorded'>;

/** What the product tells of itself: in no table, observed when it is asked. Implemented by the platform room. */
export abstract class OwnSurfaces {
  /** Those of an organization: some where it is the platform's, none elsewhere. */
  abstract of(org: { readonly id: string; readonly kind: string }): Promise<readonly OwnSurface[]>;

  /** All there are; none before the set-up. */
  abstract all(): Promise<readonly OwnSurface[]>;
}
