import type { AnyTx } from '../lifecycle/rollout.store.ts';

/** What the projection says of a surface. */
export interface Posture {
  readonly verdict: string;
  readonly validUntil: Date;
}

/** Asks for the projected verdict of a surface. Unknown is undefined, and never passes. */
export abstract class Postures {
  abstract of(tx: AnyTx, orgId: string, surfaceId: string): Promise<Posture | undefined>;
}

/** Where no projection is plugged in nothing is known of any surface. */
export class NoPostures extends Postures {
  override of(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}
