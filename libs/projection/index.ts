export { ProjectionModule } from './projection.module.ts';
export { type OwnSurface, OwnSurfaces } from './reading/own-surfaces.ts';
export { tell } from './reading/projection-view.ts';
export { ProjectionView } from './reading/projections.contract.ts';
export { Projections } from './reading/projections.ts';
export { rankOf, reasonCatalogue, reasons } from './verdict/reasons.ts';
export { type Facts, type Policy, project } from './verdict/verdict.ts';
export {
  conditionTypes,
  conditionStatuses,
  factKinds,
  surfaceVocabulary,
  type Verdict,
  verdicts,
} from './verdict/vocabulary.ts';
