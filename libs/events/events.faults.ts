import { faults } from '#kernel';

export const EventFault = faults('events', {
  not_found: ['not_found', 'There is no such event in this organization.'],
  beyond_log: ['invalid', 'There is no such position yet; `after` may be at most the newest one.'],
  pruned: [
    'not_found',
    'These events were dropped, for they are older than events are kept: go on after `data.prunedUpTo`.',
  ],
  too_many_streams: ['limited', 'This credential has as many open streams as it may.'],
  destination_not_found: ['not_found', 'Events are published to no such destination.'],
});
