export { IntakeModule } from './intake.module.ts';
export { type GiteaFact, NoRollouts, type Prompt, RolloutPrompts, type Voiding } from './rollout-prompts.ts';
