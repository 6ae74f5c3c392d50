import { canonicalJson, type Json, sha256 } from '#kernel';
import type { PolicyRules } from '../policy/policy-rules.ts';

/**
 * What a rollout will do, and the digest that everything else binds to: sign-offs, evidence, accepted risks. The
 * digest is SHA-256 over the canonical form (RFC 8785), so that the same plan has the same digest wherever and
 * whenever it is made, and a change of anything has another.
 */

/** What a step does to the world at worst; ordered by what it takes to be let. */
export const effects = [
  'none',
  'host_change',
  'host_destruction',
  'secret_provisioning_from_repository',
  'business_action',
] as const;
export type Effect = (typeof effects)[number];

export interface PlannedStep {
  readonly name: string;
  readonly command: string;
  /** Of the command, as the runner declares it. */
  readonly version: string;
  readonly arguments: { readonly [name: string]: Json };
  readonly effect: Effect;
  readonly idempotent: boolean;
  readonly irreversible: boolean;
}

export interface PlannedTarget {
  readonly id: string;
  /** What the target was when the plan was made: a digest that its inventory reported. */
  readonly state: string;
  /** The version the target held. */
  readonly version: string | null;
}

export interface PlannedWave {
  readonly targets: readonly string[];
  /** Seconds between the last step and the checks. */
  readonly bakeSeconds: number;
  readonly checks: readonly PlannedStep[];
  /** Checks in a row that may fail before the wave does. */
  readonly failureLimit: number;
}

export type RecoveryKind = 'rollback' | 'roll_forward' | 'irreversible';

export interface PlannedRecovery {
  readonly kind: RecoveryKind;
  readonly steps: readonly PlannedStep[];
  /** Seconds after completion within which the smaller quorum may order it. */
  readonly windowSeconds: number;
}

/** A secret that steps use: which value, and never the value. */
export interface PlannedSecret {
  readonly path: string;
  readonly version: number;
  /** RFC 3339: when that version was written. A secret that was destroyed and made anew begins at 1 again. */
  readonly createdAt: string;
}

/** The commit that a plan is of, and where Gitea had it. */
export interface PlannedSource {
  readonly giteaHookId: string;
  /** `https://gitea.example/owner/name`, owner and name in small letters. */
  readonly repository: string;
  /** `refs/heads/…`, `refs/tags/…` or `refs/pull/<number>/head`. */
  readonly ref: string;
  /** Hex. */
  readonly commit: string;
}

export interface Plan {
  /** Absent where it is of no commit. */
  readonly source?: PlannedSource;
  readonly environment: string;
  readonly targets: readonly PlannedTarget[];
  readonly steps: readonly PlannedStep[];
  readonly artifacts: readonly { readonly name: string; readonly digest: string }[];
  readonly secrets: readonly PlannedSecret[];
  readonly waves: readonly PlannedWave[];
  readonly recovery: PlannedRecovery;
  readonly policy: { readonly id: string; readonly rules: PolicyRules };
}

const digestOf = (value: unknown): string => `sha256:${sha256(canonicalJson(value as Json)).toString('hex')}`;

/** The digest that sign-offs bind to. `orgId` is part of it: an approval is of one organization. */
export function subjectDigest(orgId: string, plan: Plan): string {
  return digestOf({
    v: 1,
    organization: orgId,
    ...plan,
    // Order says nothing where a set is meant.
    targets: plan.targets.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    artifacts: plan.artifacts.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    secrets: plan.secrets.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  });
}

/** What a rehearsal is of: the way back and what it is the way back from. */
export function recoveryDigest(plan: Plan): string {
  return digestOf({ steps: plan.steps, recovery: plan.recovery });
}

/** Whether anything of it cannot be taken back: a step, the way back itself, or that there is none. */
export const isIrreversible = (plan: Pick<Plan, 'steps' | 'waves' | 'recovery'>): boolean =>
  plan.recovery.kind === 'irreversible' ||
  hasIrreversible(plan.steps) ||
  plan.waves.some(({ checks }) => hasIrreversible(checks)) ||
  hasIrreversible(plan.recovery.steps);

export const hasIrreversible = (steps: readonly Pick<PlannedStep, 'irreversible'>[]): boolean =>
  steps.some(({ irreversible }) => irreversible);

/** What a person must type to let irreversible steps run. */
export function confirmationFor(title: string, digest: string): string {
  return `${title} ${digest.slice('sha256:'.length, 'sha256:'.length + 12)}`;
}
