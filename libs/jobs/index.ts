export { JobFailure } from './job-failure.ts';
export { HandlesJob, type JobFacts, JobQueue } from './job-queue.ts';
export { Jobs, JobsConfig } from './jobs.ts';
export { JobsModule } from './jobs.module.ts';
export { QueueDepths } from './queue-depths.ts';
