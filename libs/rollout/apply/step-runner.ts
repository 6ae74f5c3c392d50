import type { Effect } from '../lifecycle/plan.ts';
import type { Json } from '#kernel';

/** A command that steps and checks may name. */
export interface StepCommand {
  readonly name: string;
  /** Part of what is signed: another version is another plan. */
  readonly version: string;
  readonly effect: Effect;
  /** Whether repeating it under the same key does nothing more; a step may ask for less, never for more. */
  readonly idempotent: boolean;
  /** What is wrong with its arguments; undefined where nothing is. */
  readonly faultOf: (given: { readonly [name: string]: Json }) => string | undefined;
}

export interface StepOrder {
  readonly orgId: string;
  readonly rolloutId: string;
  readonly command: string;
  readonly arguments: { readonly [name: string]: Json };
  /** Absent for checks of a wave. */
  readonly target: { readonly id: string; readonly name: string; readonly fence: string } | undefined;
  /** The same in every repetition of one step. */
  readonly key: string;
}

/** How a step ended. Only `succeeded` is good. `code` is a stable word; `detail` never holds a secret. */
export interface StepOutcome {
  readonly state: 'succeeded' | 'failed' | 'unknown';
  readonly code?: string;
  readonly detail?: string;
}

/**
 * What carries steps out. A rejection counts as `unknown`: nobody knows whether it happened. Implemented here for the
 * built-in commands, and by whatever room brings more.
 */
export abstract class StepRunner {
  abstract command(name: string): StepCommand | undefined;
  abstract run(order: StepOrder, signal: AbortSignal): Promise<StepOutcome>;
}
