import { Injectable } from '@nestjs/common';
import type { OrgTx } from '#database';
import { Projections } from '#projection';
import type { AnyTx } from '../lifecycle/rollout.store.ts';

/** What the projection says of a surface. */
export interface Posture {
  readonly verdict: string;
  readonly validUntil: Date;
}

/** Asks for the projected verdict of a surface. Unknown is undefined, and never passes. */
export abstract class Postures {
  abstract of(tx: OrgTx, surfaceId: string): Promise<Posture | undefined>;

  /** Those of these surfaces that are there. */
  abstract existing(tx: AnyTx, orgId: string, surfaceIds: readonly string[]): Promise<ReadonlySet<string>>;
}

@Injectable()
export class ProjectedPostures extends Postures {
  constructor(private readonly projections: Projections) {
    super();
  }

  override async of(tx: OrgTx, surfaceId: string): Promise<Posture | undefined> {
    const projection = await this.projections.of(tx, surfaceId);
    return projection && { verdict: projection.verdict, validUntil: new Date(projection.validUntil) };
  }

  override existing(tx: AnyTx, orgId: string, surfaceIds: readonly string[]): Promise<ReadonlySet<string>> {
    return this.projections.existing(tx, orgId, surfaceIds);
  }
}
