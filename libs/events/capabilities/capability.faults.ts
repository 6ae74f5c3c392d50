import { faults } from '#kernel';

export const CapabilityFault = faults('capabilities', {
  not_found: ['not_found', 'There is no such capability in this organization.'],
  exists: ['conflict', 'This version of the capability is there already; a manifest does not change.'],
  bad_manifest: ['invalid', 'The manifest is not one of a capability; errors says why.'],
  wrong_state: ['conflict', 'A capability in this state cannot take this step; see `data.state`.'],
  other_manifest: ['conflict', 'The digest is not that of the manifest; see `data.digest`.'],
  too_many: ['conflict', 'The organization has as many admitted capabilities as it may; see `data.limit`.'],
  not_admissible: ['conflict', 'What stands against it is listed in `data.problems`.'],
});
