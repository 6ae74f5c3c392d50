import { Module } from '@nestjs/common';
import { AuthoritiesController } from './authorities/authorities.controller.ts';
import { Authorities } from './authorities/authorities.ts';
import { FactsController } from './facts/facts.controller.ts';
import { FactLog } from './facts/facts.ts';
import { Recorder } from './history/recorder.ts';
import { Sweep } from './history/sweep.ts';
import { Documents } from './reading/documents.ts';
import { ProjectionsController, ReasonsController } from './reading/projections.controller.ts';
import { Projections } from './reading/projections.ts';
import { Watch } from './reading/watch.ts';
import { SurfacesController } from './surfaces/surfaces.controller.ts';
import { Surfaces } from './surfaces/surfaces.ts';

/** Surfaces, facts and verdicts. Needs OwnSurfaces from above. */
@Module({
  controllers: [
    SurfacesController,
    AuthoritiesController,
    FactsController,
    ReasonsController,
    ProjectionsController,
  ],
  providers: [Surfaces, Authorities, FactLog, Recorder, Sweep, Projections, Documents, Watch],
  exports: [Projections],
})
export class ProjectionModule {}
