import { faults } from '#kernel';

export const IntakeFault = faults('intake', {
  bad_hook_id: ['invalid', 'The hook in the path is not a valid id.'],
  signature_missing: [
    'unauthenticated',
    'The delivery is not signed: set a secret where the webhook is configured in Gitea.',
  ],
  bad_signature: ['unauthenticated', 'The signature is not that of an active secret of this hook.'],
  delivery_missing: ['invalid', 'X-Gitea-Delivery must hold the UUID of the delivery.'],
  event_missing: ['invalid', 'X-Gitea-Event and X-Gitea-Event-Type must name the event.'],
  hook_disabled: ['forbidden', 'The hook is disabled, or its organization is suspended.'],
  malformed: ['invalid', 'The body is not JSON as this API takes it; errors says where.'],
  unknown_event: ['invalid', 'Gitea sends no such event.'],
  bad_payload: ['invalid', 'The body is not that of the event its headers name; errors says where.'],
  unknown_repository: ['forbidden', 'The hook is not for this repository.'],
  replayed: ['conflict', 'This delivery, or one with the same body, was accepted before; data says which.'],
  hook_not_found: ['not_found', 'There is no such hook in this organization.'],
  bad_hook: ['invalid', 'The hook cannot be as it is asked for; errors says why.'],
  hook_exists: ['conflict', 'The organization has a hook of this name, or the deployment a default hook.'],
  too_many_hooks: [
    'conflict',
    'The organization has as many hooks as it may have; data.limit says how many.',
  ],
});
