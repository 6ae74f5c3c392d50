import { faults } from '#kernel';

export const JobsFault = faults('jobs', {
  unavailable: ['unavailable', 'The job queue is not ready; try again in a moment.'],
});
