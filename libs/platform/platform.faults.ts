import { faults } from '#kernel';

/** The contract names this code as one of http. */
export const IdempotencyFault = faults('http', {
  idempotency_mismatch: ['conflict', 'This Idempotency-Key was used for another request.'],
  idempotency_running: [
    'conflict',
    'The first request with this Idempotency-Key has not been answered; whether it took effect is not known here.',
  ],
  bad_idempotency_key: ['invalid', 'The Idempotency-Key cannot be used.'],
});

export const SystemFault = faults('system', {
  setup_needed: [
    'unavailable',
    'This deployment is not set up yet: POST /api/v1/setup with the set-up token.',
  ],
  already_set_up: ['conflict', 'This deployment is set up; the token is dead.'],
  invalid_setup_token: [
    'unauthenticated',
    'The set-up token is not right; it lies in the file setup-token of the data directory.',
  ],
  read_only: [
    'unavailable',
    'The system is read-only for now: nothing was changed. data.reasons says why; reads go on.',
  ],
  not_ready: ['unavailable', 'Not every component is ready; data.components tells which.'],
});
