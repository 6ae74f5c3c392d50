export { Postures } from './gates/postures.ts';
export { RolloutModule } from './rollout.module.ts';
