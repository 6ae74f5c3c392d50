export { fitsAny } from './deliveries/names.ts';
export { IntakeModule } from './intake.module.ts';
export { isHookFor, readRef } from './rereads/readings.ts';
export { type GiteaFact, type Prompt, RolloutPrompts, type Voiding } from './rollout-prompts.ts';
