import { Choice, Flag, Id, Nested, pageViewOf, Slug, Text, Time, Whole } from '#http';
import {
  adminPostures,
  authModes,
  onboardingStatuses,
  sessionHandoffs,
  type SurfaceValues,
} from '../verdict/vocabulary.ts';

/** What is desired of a surface, in the vocabulary. */
export class SurfaceValuesView implements SurfaceValues {
  @Choice(authModes)
  authMode: SurfaceValues['authMode'];

  @Choice(onboardingStatuses)
  onboardingStatus: SurfaceValues['onboardingStatus'];

  @Choice(sessionHandoffs)
  sessionHandoff: SurfaceValues['sessionHandoff'];

  @Choice(adminPostures)
  adminPosture: SurfaceValues['adminPosture'];
}

const EVIDENCE = 'Whether facts without evidence hold the verdict back; false where unsaid.';

export class CreateSurfaceRequest {
  @Slug({ description: 'Stays as it is.' })
  key: string;

  @Text({ max: 200 })
  name: string;

  @Text({ min: 0, max: 1000, optional: true })
  description?: string;

  @Nested(() => SurfaceValuesView)
  desired: SurfaceValuesView;

  @Flag({ optional: true, description: EVIDENCE })
  requireEvidence?: boolean;
}

export class UpdateSurfaceRequest {
  @Text({ max: 200, optional: true })
  name?: string;

  @Text({ min: 0, max: 1000, optional: true })
  description?: string;

  @Nested(() => SurfaceValuesView, {
    optional: true,
    description: 'All four. Facts told before count as behind.',
  })
  desired?: SurfaceValuesView;

  @Flag({ optional: true, description: EVIDENCE })
  requireEvidence?: boolean;
}

export class SurfaceView {
  @Id()
  id: string;

  @Slug()
  key: string;

  @Text()
  name: string;

  @Text({ min: 0 })
  description: string;

  @Nested(() => SurfaceValuesView)
  desired: SurfaceValues;

  @Flag()
  requireEvidence: boolean;

  @Whole({ description: 'Grows with every change of what is desired.' })
  generation: number;

  @Time()
  createdAt: string;

  @Time()
  updatedAt: string;
}

export const SurfacePage = pageViewOf(SurfaceView);
