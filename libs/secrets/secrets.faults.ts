import { faults } from '#kernel';

export const SecretFault = faults('secrets', {
  not_found: ['not_found', 'There is no such secret.'],
  version_not_found: ['not_found', 'There is no such version of the secret.'],
  deleted: ['not_found', 'The secret, or this version of it, is deleted; it can be undeleted.'],
  destroyed: ['not_found', 'This version of the secret was destroyed; nobody can read it again.'],
  field_not_found: ['not_found', 'The secret has no such field.'],
  path_taken: ['conflict', 'A secret with this path exists; write a version of it.'],
  version_conflict: [
    'conflict',
    'The newest version is not the one that was to be followed; data.currentVersion names it.',
  ],
  cas_required: ['invalid', 'This secret is written only with cas, the version that is to be followed.'],
  bad_path: ['invalid', 'The path is not one of a secret; errors says why.'],
  bad_fields: ['invalid', 'The fields of a secret are texts with names; errors says what is wrong.'],
  bad_tags: ['invalid', 'The tags of a secret are short texts with names; errors says what is wrong.'],
  bad_reference: [
    'invalid',
    'A reference has the form secret://<path>#<field> or secret://<path>#<field>@<version>.',
  ],
  unavailable: [
    'unavailable',
    'The store of secrets does not answer, and what was known of the secret is too old to go by.',
  ],
  no_rotation: ['not_found', 'The secret has no rotation; PUT one.'],
  rotation_running: ['conflict', 'A rotation of this secret is under way.'],
  bad_rotation: ['invalid', 'The rotation cannot be set; errors says why.'],
  plain_refused: [
    'invalid',
    'Secrets are neither exported nor imported in plain text; reveal gives one at a time.',
  ],
  wrong_master_key: [
    'unavailable',
    'This process does not have the master key that the database is of; it must be started anew with it.',
  ],
  unreadable: [
    'unavailable',
    'The secret cannot be opened: it was altered, or wrapped by a key this process does not have.',
  ],
  end_unknown: [
    'unavailable',
    'The store of secrets did not say whether the change took place; the log tells when it is known.',
  ],
  store_refused: [
    'unavailable',
    'The store of secrets refuses this process; its operator must allow what is asked of it.',
  ],
  too_long: ['invalid', 'The store of secrets keeps no text as long as this; errors says which.'],
});
