import type { ActionEntry } from './action-entry.ts';

/** The part of the catalogue that speaks of rollouts, and of what speaks for and against them. */
export const rolloutActions = {
  'rollout.created': { description: 'A rollout was written.', retention: 'administration' },
  'rollout.planned': {
    description: 'A rollout was planned; its digest is what people sign.',
    retention: 'administration',
  },
  'rollout.moved': { description: 'A rollout came into another state.', retention: 'security' },
  'rollout.signed_off': {
    description: 'A person signed off a rollout, its rollback, or an exception from a freeze.',
    retention: 'security',
  },
  'rollout.denied': { description: 'A person denied their sign-off.', retention: 'security' },
  'rollout.gates_closed': {
    description: 'A rollout was kept back by gates; data says which.',
    retention: 'security',
  },
  'rollout.diverged': {
    description: 'What a rollout was signed for is no longer what is there.',
    retention: 'security',
  },
  'rollout.source_gone': {
    description: 'Gitea says that the commit of a rollout stands there no longer; the reason says why.',
    retention: 'security',
  },
  'rollout_template.created': {
    description: 'A plan was kept by which Gitea opens rollouts.',
    retention: 'security',
  },
  'rollout_template.deleted': { description: 'Such a plan was deleted.', retention: 'security' },
  'rollout_template.kept_back': {
    description: 'A rollout was not opened, or not sealed, by a template; the reason says why.',
    retention: 'administration',
  },
  'rollout.confirmed': {
    description: 'A person confirmed in words that steps are irreversible.',
    retention: 'security',
  },
  'rollout.gate_recorded': { description: 'The result of a gate was recorded.', retention: 'security' },
  'rollout.baking': {
    description: 'A wave is left running for a time before its checks.',
    retention: 'administration',
  },
  'rollout.step_started': { description: 'A step is about to be carried out.', retention: 'administration' },
  'rollout.step_ended': {
    description: 'A step ended; the reason says how, where it was not well.',
    retention: 'administration',
  },
  'rollout.step_answered': {
    description: 'An operator said what became of a step of which nobody knew.',
    retention: 'security',
  },
  'rollout.target_released': {
    description: 'A target was let go, with the version it holds.',
    retention: 'administration',
  },
  'rollout.targets_locked': {
    description: 'A rollout took hold of its targets.',
    retention: 'administration',
  },
  'rollout_policy.created': { description: 'A policy for rollouts was made.', retention: 'security' },
  'rollout_policy.updated': { description: 'A policy for rollouts was changed.', retention: 'security' },
  'rollout_target.created': { description: 'A target of rollouts was named.', retention: 'administration' },
  'rollout_target.reported': {
    description: 'The inventory reported what state a target is in.',
    retention: 'access',
  },
  'rollout_hook.created': {
    description: 'A hook was made by which an external gate calls back.',
    retention: 'security',
  },
  'rollout_hook.revoked': {
    description: 'A hook was revoked: its call-backs count no longer.',
    retention: 'security',
  },
  'rollout_person.linked': {
    description: 'Two accounts were declared to be one person.',
    retention: 'security',
  },
  'rollout_person.unlinked': {
    description: 'Two accounts were declared to be two persons.',
    retention: 'security',
  },
  'rollout_break_glass.opened': {
    description: 'A rollout was executed before it was signed off.',
    retention: 'security',
  },
  'rollout_break_glass.reviewed': {
    description: 'Somebody else reviewed the use of a break-glass.',
    retention: 'security',
  },
  'evidence.recorded': { description: 'Evidence was recorded; its signature holds.', retention: 'security' },
  'evidence.attached': { description: 'A file was kept by its hash.', retention: 'administration' },
  'evidence_key.created': {
    description: 'The key was made by which the organization signs evidence.',
    retention: 'security',
  },
  'evidence_key.registered': {
    description: 'The key of somebody else was trusted to sign evidence.',
    retention: 'security',
  },
  'evidence_key.revoked': {
    description: 'A key signs evidence no longer; what it signed counts no longer.',
    retention: 'security',
  },
  'risk.raised': { description: 'A residual risk was raised.', retention: 'security' },
  'risk.updated': {
    description: 'A residual risk was rated or treated anew; an acceptance of before is void.',
    retention: 'security',
  },
  'risk.accepted': {
    description: 'A residual risk was accepted, for a time, by an authority that outranks it.',
    retention: 'security',
  },
  'risk.acceptance_withdrawn': {
    description: 'The acceptance of a residual risk was withdrawn.',
    retention: 'security',
  },
  'risk.closed': { description: 'A residual risk was closed.', retention: 'security' },
  'freeze.created': { description: 'A freeze was set.', retention: 'security' },
  'freeze.updated': { description: 'A freeze was changed.', retention: 'security' },
  'freeze.deleted': { description: 'A freeze was taken back.', retention: 'security' },
  'freeze.exception_asked': {
    description: 'An exception from a freeze was asked for; it holds once its quorum has signed.',
    retention: 'security',
  },
} as const satisfies Record<string, ActionEntry>;
