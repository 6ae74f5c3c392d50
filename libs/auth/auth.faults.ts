import { faults } from '#kernel';

export const AuthFault = faults('auth', {
  credential_missing: ['unauthenticated', 'Send a credential: Authorization: Bearer <token>, or X-API-Key.'],
  invalid_token: ['unauthenticated', 'The access token is not valid.'],
  token_expired: ['unauthenticated', 'The access token has expired; refresh it.'],
  session_ended: ['unauthenticated', 'The session has ended; sign in again.'],
  invalid_api_key: ['unauthenticated', 'The API key is not valid.'],
  invalid_credentials: [
    'unauthenticated',
    'The e-mail address, the password or the organization is not right.',
  ],
  invalid_refresh_token: ['unauthenticated', 'The refresh token is not valid; sign in again.'],
  password_change_required: [
    'unauthenticated',
    'The password was given once and must be changed now; data.challenge tells where.',
  ],
  invalid_challenge: ['unauthenticated', 'The challenge is not valid or no longer; sign in again.'],
  mfa_required: ['unauthenticated', 'A second factor is needed to sign in; data.challenge tells how.'],
  factor_refused: [
    'unauthenticated',
    'The code or the answer of the passkey is not right, or was used before.',
  ],
  method_not_offered: ['invalid', 'The challenge does not take this; data.methods lists what it takes.'],
  passkeys_unavailable: [
    'conflict',
    'Passkeys need a host name and TLS (or localhost): set PORTCULLIS_PUBLIC_URL to such an address.',
  ],
  passkey_known: ['conflict', 'This passkey is registered already.'],
  factor_not_found: ['not_found', 'There is no such factor.'],
  factor_required: [
    'conflict',
    'An organization you belong to requires this factor; add another before you remove it.',
  ],
  factors_shared: [
    'conflict',
    'The person belongs to other organizations too; a platform operator can reset their factors.',
  ],
  too_many_factors: ['conflict', 'No more factors can be added; remove one first.'],
  organization_required: ['conflict', 'Name the organization to sign in to; data.organizations lists yours.'],
  password_unchanged: ['invalid', 'The new password must not be the old one.'],
  step_up_required: ['unauthenticated', 'Prove yourself again for this; data.challenge tells how.'],
  address_not_allowed: ['forbidden', 'The organization does not accept requests from this address.'],
  bad_policy: ['invalid', 'The policy is not valid.'],
  policy_locks_out: [
    'conflict',
    'This policy would refuse the session that sets it; data.setting names what to change first.',
  ],
  password_refused: ['invalid', 'The password may not be used; data.reasons says why.'],
  current_password_wrong: ['forbidden', 'The current password is not right.'],
  invalid_reset: ['unauthenticated', 'The link is not valid or no longer; ask for another.'],
  not_a_member: ['not_found', 'You belong to no organization of this name.'],
  bad_filter: ['invalid', 'Say which sessions to end: by a filter, or all of them.'],
  session_not_found: ['not_found', 'There is no such session.'],
  sessions_only: ['forbidden', 'Only a signed-in person can do this, not an API key.'],
  too_many_requests: ['limited', 'Too many attempts; try again after the time in Retry-After.'],
  device_not_found: ['not_found', 'There is no such device.'],
  busy: ['limited', 'Too many sign-ins at once; try again in a moment.'],
});
