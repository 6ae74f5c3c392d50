import { type BackOff, backOff } from './back-off.ts';

/** Milliseconds. */
export interface RelayTiming {
  /** How long a lane stays with a worker that is not heard of any more. */
  readonly leaseMs: number;
  /** How often a worker looks for what is new and for lanes that nobody works off. */
  readonly lookMs: number;
  /** For one connection or one answer of a receiver. */
  readonly answerMs: number;
  /** After which a lane is opened anew, so that secrets that were changed are taken up. */
  readonly longestRunMs: number;
  readonly backOff: BackOff;
}

export const relayTiming: RelayTiming = {
  leaseMs: 10_000,
  lookMs: 500,
  answerMs: 10_000,
  longestRunMs: 600_000,
  backOff,
};
