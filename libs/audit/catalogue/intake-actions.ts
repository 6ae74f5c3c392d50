import type { ActionEntry } from './action-entry.ts';

/** Of the catalogue in actions.ts, what is recorded of hooks of Gitea and of what came by them. */
export const intakeActions = {
  'intake.hook_created': {
    description: 'A hook was created by which a Gitea tells of events.',
    retention: 'administration',
  },
  'intake.hook_updated': {
    description: 'A hook of Gitea was changed, disabled or enabled.',
    retention: 'administration',
  },
  'intake.hook_deleted': {
    description: 'A hook of Gitea was deleted; nothing that comes by it is accepted.',
    retention: 'administration',
  },
  'intake.delivery_accepted': {
    description: 'A signed delivery of Gitea was accepted: what it speaks of will be read from Gitea.',
    retention: 'access',
  },
  'intake.delivery_refused': {
    description: 'A delivery to a hook of Gitea was refused; the reason says why.',
    retention: 'security',
  },
  'intake.reconcile_asked': {
    description: 'Somebody had everything read from Gitea that a hook is for.',
    retention: 'administration',
  },
  'intake.prompted': {
    description:
      'What Gitea said when it was read opened, advanced or voided rollouts, or became evidence; changes tells which.',
    retention: 'security',
  },
} as const satisfies Record<string, ActionEntry>;
