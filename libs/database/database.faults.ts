import { faults } from '#kernel';

export const DatabaseFault = faults('database', {
  credential_ended: ['unauthenticated', 'The credential has ended; sign in again.'],
  conflict: [
    'conflict',
    'Something this depends on was changed at the same moment; nothing was changed. Try again.',
  ],
  unavailable: ['unavailable', 'The database cannot be reached, or did not answer in time. Try again.'],
});
