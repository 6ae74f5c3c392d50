export { Gates } from './gates/gates.ts';
export { Postures } from './gates/postures.ts';
export { Moves } from './lifecycle/moves.ts';
export { Rollouts } from './planning/rollouts.ts';
export { RolloutModule } from './rollout.module.ts';
export { Standing } from './signoff/standing.ts';
export { SourcePrompts } from './sources/source-prompts.ts';
