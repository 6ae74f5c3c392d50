export { ProjectionModule } from './projection.module.ts';
export { OwnSurfaces, type OwnSurface } from './reading/own-surfaces.ts';
export { Projections } from './reading/projections.ts';
export { ProjectionView } from './reading/projections.contract.ts';
export { tell } from './reading/projection-view.ts';
