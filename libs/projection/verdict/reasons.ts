import { type Verdict, verdicts } from './vocabulary.ts';

interface Entry {
  /** The best verdict that a gating condition with this reason allows. */
  readonly verdict: Verdict;
  readonly meaning: string;
  /** Who must act. */
  readonly actor: 'nobody' | 'owner of the fact' | 'administrator' | 'operator';
  readonly action: string;
}

/**
 * Why a condition is as it is. Closed and append-only, held by a snapshot test; served at `GET /projection/reasons`
 * and written to docs/projection-reasons.md. What is missing, stale, in conflict or not understood blocks: so nothing
 * that is taken away from the inputs can improve a verdict.
 */
export const reasons = {
  satisfied: {
    verdict: 'ready',
    meaning: 'The condition holds, by facts that are fresh.',
    actor: 'nobody',
    action: 'Nothing.',
  },
  stale_projection: {
    verdict: 'blocked',
    meaning:
      'The fact has outlived its time to live; what it said is shown, marked stale, and counts for nothing.',
    actor: 'owner of the fact',
    action: 'Observe again and send the fact with a higher revision.',
  },
  missing_input: {
    verdict: 'blocked',
    meaning: 'No fact of this kind was ever told.',
    actor: 'owner of the fact',
    action: 'Send the fact.',
  },
  owner_missing: {
    verdict: 'blocked',
    meaning: 'Nobody owns this kind of truth for the surface.',
    actor: 'administrator',
    action: 'Name an authority for the kind.',
  },
  owner_changed: {
    verdict: 'blocked',
    meaning: 'The fact was told by an authority that is no longer the owner of its kind.',
    actor: 'owner of the fact',
    action: 'The owner of now sends the fact with a higher revision.',
  },
  owner_conflict: {
    verdict: 'blocked',
    meaning: 'The owner told two contents under one revision.',
    actor: 'owner of the fact',
    action: 'Find out who else writes with the owner’s key, then send what holds with a higher revision.',
  },
  generation_behind: {
    verdict: 'followthrough-required',
    meaning: 'What is desired of the surface was changed after the fact was told.',
    actor: 'owner of the fact',
    action: 'Follow the change through and send the fact with a higher revision.',
  },
  clock_skew: {
    verdict: 'blocked',
    meaning: 'The fact lies in the future by the clock of this deployment.',
    actor: 'operator',
    action: 'Set the clocks right, of the owner and of this deployment.',
  },
  unknown_value: {
    verdict: 'blocked',
    meaning: 'A value is none that this version knows.',
    actor: 'operator',
    action: 'Update the deployment, or have the owner send a value of the vocabulary.',
  },
  tenant_mismatch: {
    verdict: 'blocked',
    meaning: 'A fact speaks of another tenant than the one the surface belongs to.',
    actor: 'owner of the fact',
    action: 'Find out what was mixed up; send the fact of the right tenant.',
  },
  surface_planned: {
    verdict: 'blocked',
    meaning: 'The surface is planned and does not exist yet.',
    actor: 'administrator',
    action: 'Onboard it, or leave it planned.',
  },
  onboarding_incomplete: {
    verdict: 'followthrough-required',
    meaning: 'Onboarding is under way.',
    actor: 'owner of the fact',
    action: 'Finish it.',
  },
  onboarding_differs: {
    verdict: 'followthrough-required',
    meaning: 'The onboarding status is not the desired one.',
    actor: 'administrator',
    action: 'Change what is desired, or what is.',
  },
  surface_suspended: {
    verdict: 'blocked',
    meaning: 'The surface is suspended.',
    actor: 'administrator',
    action: 'Lift the suspension where its reason is gone.',
  },
  surface_retired: {
    verdict: 'blocked',
    meaning: 'The surface is retired.',
    actor: 'administrator',
    action: 'Delete it where nobody needs its history.',
  },
  auth_not_enforced: {
    verdict: 'blocked',
    meaning: 'The surface asks for no credential, although one is desired.',
    actor: 'owner of the fact',
    action: 'Close the surface until it asks for one.',
  },
  auth_mode_differs: {
    verdict: 'followthrough-required',
    meaning: 'The way of authentication is not the desired one.',
    actor: 'owner of the fact',
    action: 'Move the surface to the desired one, or change what is desired.',
  },
  local_auth_needs_normalization: {
    verdict: 'review-required',
    meaning:
      'Local accounts of the surface are not brought into line with the identities of the organization.',
    actor: 'owner of the fact',
    action: 'Match or remove the local accounts, then tell the fact with normalized: true.',
  },
  bridge_auth_needs_normalization: {
    verdict: 'review-required',
    meaning: 'What the bridge claims is not brought into line with the claims of the organization.',
    actor: 'owner of the fact',
    action: 'Match the claims of the bridge, then tell the fact with normalized: true.',
  },
  session_planned_not_live: {
    verdict: 'blocked',
    meaning: 'The way a session gets to the surface is planned and not live.',
    actor: 'owner of the fact',
    action: 'Build the session contract, then tell which one is live.',
  },
  session_shape_not_materialized: {
    verdict: 'blocked',
    meaning: 'The session contract is live by the owner of auth, and not materialized in the runtime.',
    actor: 'owner of the fact',
    action: 'Materialize it in the runtime, then tell the fact with sessionMaterialized: true.',
  },
  session_handoff_differs: {
    verdict: 'followthrough-required',
    meaning: 'The way a session gets to the surface is not the desired one.',
    actor: 'owner of the fact',
    action: 'Move the surface to the desired one, or change what is desired.',
  },
  runtime_not_materialized: {
    verdict: 'blocked',
    meaning: 'The runtime has not materialized the surface.',
    actor: 'owner of the fact',
    action: 'Bring the surface up, then tell the fact with materialized: true.',
  },
  runtime_without_aligned_rights: {
    verdict: 'blocked',
    meaning:
      'The runtime is materialized from another revision of the rights than the one that holds, or from none.',
    actor: 'owner of the fact',
    action: 'Materialize the revision of the rights that holds, then tell it as rightsRevision.',
  },
  admin_posture_undeclared: {
    verdict: 'blocked',
    meaning: 'The runtime does not say what administrators can do on the surface.',
    actor: 'owner of the fact',
    action: 'Tell adminPosture.',
  },
  recovery_only_admin: {
    verdict: 'review-required',
    meaning: 'Administration of the surface is for recovery only.',
    actor: 'administrator',
    action: 'End the recovery, or make sure that it is meant.',
  },
  admin_posture_exceeds: {
    verdict: 'review-required',
    meaning: 'Administrators can do more on the surface than is desired.',
    actor: 'administrator',
    action: 'Take the power away, or desire it.',
  },
  admin_posture_differs: {
    verdict: 'followthrough-required',
    meaning: 'Administrators can do less on the surface than is desired.',
    actor: 'owner of the fact',
    action: 'Follow through, or change what is desired.',
  },
  break_glass_active: {
    verdict: 'review-required',
    meaning: 'A break-glass credential of the surface is in use.',
    actor: 'administrator',
    action: 'End its use, review what was done with it, then tell the fact with breakGlass: false.',
  },
  evidence_missing: {
    verdict: 'review-required',
    meaning: 'A fact was told without evidence.',
    actor: 'owner of the fact',
    action: 'Send the fact with evidence, with a higher revision.',
  },
} as const satisfies Record<string, Entry>;

export type Reason = keyof typeof reasons;

const RANK: Record<string, number> = Object.fromEntries(verdicts.map((verdict, rank) => [verdict, rank]));

/** 0 for the best verdict; what is no verdict is as bad as the worst. */
export function rankOf(verdict: string): number {
  return RANK[verdict] ?? verdicts.length - 1;
}

/** The registry as it is published. */
export const reasonCatalogue = {
  items: (Object.keys(reasons) as Reason[]).map((code) => ({ code, ...reasons[code] })),
};
