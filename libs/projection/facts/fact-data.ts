import { Choice, Flag, readInput, Text } from '#http';
import { Fault } from '#kernel';
import { ProjectionFault } from '../projection.faults.ts';
import {
  adminPostures,
  authModes,
  type FactKind,
  onboardingStatuses,
  sessionHandoffs,
} from '../verdict/vocabulary.ts';

const TENANT = 'The id or the slug of the organization.';

/** Business access: what its owner tells. */
export class RightsData {
  @Text({ max: 63, description: TENANT })
  tenant: string;

  @Choice(onboardingStatuses)
  onboardingStatus: string;

  @Text({ max: 200, description: 'The revision of the rights that holds.' })
  rightsRevision: string;
}

/** Technical authentication: what its owner tells. */
export class AuthData {
  @Text({ max: 63, description: TENANT })
  tenant: string;

  @Choice(authModes)
  authMode: string;

  @Choice(sessionHandoffs, { description: 'The session contract that is live.' })
  sessionHandoff: string;

  @Flag({ description: 'Whether local accounts, or the claims of a bridge, are brought into line.' })
  normalized: boolean;

  @Flag({ description: 'Whether a break-glass credential is in use.' })
  breakGlass: boolean;
}

/** Runtime materialization: what its owner tells. */
export class RuntimeData {
  @Text({ max: 63, description: TENANT })
  tenant: string;

  @Flag({ description: 'Whether the surface is there.' })
  materialized: boolean;

  @Flag({ description: 'Whether the session contract is there.' })
  sessionMaterialized: boolean;

  @Choice(adminPostures, { nullable: true, description: 'null: not declared, which blocks.' })
  adminPosture: string | null;

  @Text({ max: 200, nullable: true, description: 'The revision of the rights it was materialized from.' })
  rightsRevision: string | null;
}

export const dataClasses = {
  rights: RightsData,
  auth: AuthData,
  runtime: RuntimeData,
} as const satisfies Record<FactKind, new () => object>;

/** The data of a fact, as its kind has it: every field, and no other. Fault: `projection.bad_fact`. */
export function readFactData(kind: FactKind, data: unknown): Record<string, string | boolean | null> {
  const type: new () => object = dataClasses[kind];
  try {
    return { ...readInput(type, data) };
  } catch (error) {
    if (!(error instanceof Fault) || error.errors === undefined) throw error;
    const errors = error.errors.map(({ path, message }) => ({
      path: path === '' ? 'data' : `data.${path}`,
      message,
    }));
    throw ProjectionFault.bad_fact({ errors });
  }
}
