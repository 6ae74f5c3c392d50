import { faults } from '#kernel';

export const AccessFault = faults('access', {
  denied: ['forbidden', 'You lack a permission that this needs; data.permission names it.'],
  org_suspended: ['forbidden', 'The organization is suspended; a platform operator can lift that.'],
  not_found: ['not_found', 'There is nothing here that you may see.'],
  bad_org: ['invalid', 'The organization in the path is not a valid id.'],
  undeclared: ['internal', 'This route declares no access rule.'],
});
