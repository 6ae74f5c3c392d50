import type { ActionEntry } from './action-entry.ts';

/** The part of the catalogue (actions.ts) that speaks of secrets and of what encrypts them. */
export const secretActions = {
  'secret.change_started': {
    description:
      'A change of a secret was sent to the store outside; a record with the same changes.change tells its end.',
    retention: 'security',
  },
  'secret.adopted': {
    description: 'A secret that somebody put into the store outside was found there, and got an id.',
    retention: 'security',
  },
  'secret_store.theft_suspected': {
    description:
      'The wrapped secret-id that this process logs in to the store of secrets by was opened before, or is another’s.',
    retention: 'security',
  },
  'secret_store.organization_erased': {
    description: 'What the store outside held of an organization that was deleted is gone.',
    retention: 'security',
  },
  'secret.created': { description: 'A secret was created, with its first version.', retention: 'security' },
  'secret.written': { description: 'A new version of a secret was written.', retention: 'security' },
  'secret.updated': {
    description: 'What is told of a secret, or how its versions are kept, was changed.',
    retention: 'administration',
  },
  'secret.revealed': {
    description:
      'A person or a key got the values of a secret; changes.digests tells which, to who has them.',
    retention: 'security',
  },
  'secret.resolved': {
    description: 'The product itself got a value of a secret for the purpose that the actor names.',
    retention: 'access',
  },
  'secret.deleted': {
    description: 'A secret, or versions of it, was hidden until it is undeleted.',
    retention: 'security',
  },
  'secret.undeleted': {
    description: 'A secret, or versions of it, was brought back.',
    retention: 'security',
  },
  'secret.rotation_set': {
    description: 'How a secret is rotated was set.',
    retention: 'administration',
  },
  'secret.rotation_removed': {
    description: 'A secret is rotated no more.',
    retention: 'administration',
  },
  'secret.rotation_started': {
    description: 'A rotation of a secret was started, by schedule or by hand; none where one was under way.',
    retention: 'administration',
  },
  'secret.rotated': {
    description: 'The product wrote a new version of a secret; the one before is still valid.',
    retention: 'security',
  },
  'secret.rotation_told': {
    description: 'Whoever is told of rotations of a secret has taken the news.',
    retention: 'administration',
  },
  'secret.rotation_ended': {
    description: 'The overlap is over: the versions before the rotation were hidden.',
    retention: 'security',
  },
  'secret.rotation_failed': {
    description: 'A rotation of a secret did not go through; the version before is still valid.',
    retention: 'security',
  },
  'secret.destroyed': {
    description: 'A secret, or versions of it, was erased for ever.',
    retention: 'security',
  },
  'secret.searched': {
    description: 'Somebody asked where a value stands or stood; changes.digest tells which value.',
    retention: 'security',
  },
  'org_key.created': {
    description: 'The key that encrypts the secrets of an organization was made.',
    retention: 'security',
  },
  'org_key.destroyed': {
    description: 'The key of an organization was destroyed: its secrets are unreadable for ever.',
    retention: 'security',
  },
  'master_key.rewrapped': {
    description: 'What the master key wraps was wrapped anew by the current one; changes counts it.',
    retention: 'security',
  },
} as const satisfies Record<string, ActionEntry>;
