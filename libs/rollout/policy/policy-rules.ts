import type { Pair } from '../signoff/duties.ts';
import type { Quorum } from '../signoff/quorum.ts';

/** Kinds of gates that a policy may ask for beside those that stand before every rollout. */
export const gateKinds = ['evidence', 'posture', 'rehearsal', 'check', 'external', 'manual'] as const;
export type GateKind = (typeof gateKinds)[number];

export interface GateRule {
  /** Unique within the policy. */
  readonly name: string;
  readonly kind: GateKind;
  /** In a dry run the gate is evaluated and shown, and blocks nothing. */
  readonly dryRun: boolean;
  /** How old what passes may be, in seconds. */
  readonly maxAgeSeconds: number;
  /** Of an evidence gate: the in-toto predicate type it asks for. */
  readonly predicateType?: string | undefined;
  /** Of a check: a command and its arguments. */
  readonly command?: string | undefined;
  readonly arguments?: { readonly [name: string]: never } | undefined;
  /** Of a manual gate: the role that says pass. */
  readonly role?: string | undefined;
  /** Of an external gate: the hook whose call-back counts. */
  readonly hookId?: string | undefined;
}

/** What an organization asks of a rollout. A plan carries a copy, so that a change of the policy is another plan. */
export interface PolicyRules {
  readonly quorum: Quorum;
  /** For irreversible steps: must ask for more people than `quorum`. */
  readonly irreversibleQuorum: Quorum;
  /** For a rollback within the window of the plan. */
  readonly rollbackQuorum: Quorum;
  /** For an exception from a freeze. */
  readonly freezeQuorum: Quorum;
  /** One denial ends the review; otherwise as many as `denials` says. */
  readonly consensus: boolean;
  readonly denials: number;
  /** Beside author and approver, who are always kept apart. */
  readonly separate: readonly Pair[];
  readonly gates: readonly GateRule[];
  /** After which a review, an approval or an armed rollout has expired; it is never approved by waiting. */
  readonly reviewSeconds: number;
  readonly approvalSeconds: number;
  /** How old the backup evidence before irreversible steps may be. */
  readonly backupSeconds: number;
  /** Longest a break-glass lasts. */
  readonly breakGlassSeconds: number;
}
