import { faults } from '#kernel';

export const OrgFault = faults('org', {
  not_found: ['not_found', 'There is no such organization.'],
  slug_taken: ['conflict', 'An organization with this slug exists.'],
  platform_is_kept: ['conflict', 'The platform organization can be neither suspended nor deleted.'],
  member_not_found: ['not_found', 'There is no such member.'],
  member_exists: ['conflict', 'This person is a member already.'],
  reset_not_own: [
    'conflict',
    'Your own password is changed with the one you have: POST /api/v1/auth/password.',
  ],
  reset_needs_mail: [
    'conflict',
    'This person belongs to other organizations too, so that only they may get the link: configure mail, or let them ask.',
  ],
  last_owner: ['conflict', 'The last owner stays: make somebody else owner first.'],
  cannot_be_owner: ['conflict', 'Only another active member can be made owner.'],
  not_owner: ['forbidden', 'Only an owner hands the ownership on.'],
  email_domain_not_allowed: ['invalid', 'The organization does not accept addresses of this domain.'],
  user_not_found: ['not_found', 'There is no such account.'],
  own_account: ['conflict', 'Nobody disables their own account.'],
  role_not_found: ['invalid', 'There is no such role in the organization.'],
  role_missing: ['not_found', 'There is no such role.'],
  role_exists: ['conflict', 'A role with this name exists.'],
  role_in_use: ['conflict', 'Members or invitations still have this role.'],
  role_built_in: ['conflict', 'Built-in roles are not changed; make a custom one.'],
  unknown_permission: [
    'invalid',
    'A permission is not in the catalogue, or cannot be held in this organization.',
  ],
  grant_ceiling: ['forbidden', 'Nobody grants what they do not hold; data.permission names what you lack.'],
  invitation_not_found: ['not_found', 'There is no such invitation.'],
  invalid_invitation: ['unauthenticated', 'The invitation is not valid or no longer; ask for another.'],
  service_account_not_found: ['not_found', 'There is no such service account.'],
  service_account_exists: ['conflict', 'A service account with this name exists.'],
  bad_owner: ['invalid', 'The new owner must be an active member of the organization.'],
  owner_lacks: [
    'conflict',
    'The new owner does not hold what the keys of the account may do; data.permission names what is missing.',
  ],
  beyond_maker: [
    'forbidden',
    'A key makes and rotates no key that lives longer or works from more addresses than itself.',
  ],
  key_not_found: ['not_found', 'There is no such API key.'],
  bad_cidr: ['invalid', 'An address range is not in CIDR notation.'],
  bad_expiry: ['invalid', 'The expiry must lie ahead.'],
});
