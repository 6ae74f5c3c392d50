import { faults } from '#kernel';

export const ProjectionFault = faults('projection', {
  surface_not_found: ['not_found', 'There is no such surface in this organization.'],
  surface_exists: ['conflict', 'There is a surface with this key.'],
  too_many_surfaces: ['conflict', 'The organization has as many surfaces as it may; see data.limit.'],
  authority_not_found: ['not_found', 'There is no such authority in this organization.'],
  owner_exists: [
    'conflict',
    'This kind of truth has an owner; end that authority first. data.authorityId names it.',
  ],
  bad_service_account: ['not_found', 'There is no such service account in this organization.'],
  not_owner: [
    'forbidden',
    'Only keys of the service account that owns this kind of truth may tell facts of it; data.kind names the kind.',
  ],
  bad_kind: ['invalid', 'There is no such kind of fact.'],
  bad_fact: ['invalid', 'The data is not what a fact of this kind tells; errors lists every fault.'],
  from_future: ['invalid', 'The fact was observed in the future; set the clock right.'],
  revision_backwards: ['conflict', 'A newer revision was told already; data.revision names it.'],
  revision_conflict: [
    'conflict',
    'This revision was told with another content. The surface is blocked until a higher revision is told.',
  ],
  bad_range: ['invalid', 'The range has no length, or ends in the future.'],
  no_moment: ['not_found', 'The surface did not exist at that moment.'],
  too_many_watchers: ['limited', 'This credential has as many open streams as it may.'],
});
