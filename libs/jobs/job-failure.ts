import { Fault } from '#kernel';

/**
 * Why a job failed, as a code: all that the log and the database learn of it. What servers say of a job may hold the
 * data that its payload keeps closed.
 */
export class JobFailure extends Error {
  constructor(
    readonly code: string,
    /** True where no retry can mend it: the job becomes a dead letter at once. */
    readonly final = false,
    options?: ErrorOptions,
  ) {
    super(code, options);
    this.name = 'JobFailure';
  }
}

/** Any error of a handler as a JobFailure, without its words. */
export function asFailure(error: unknown): JobFailure {
  if (error instanceof JobFailure) return error;
  if (error instanceof Fault) return new JobFailure(error.code);
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code)) return new JobFailure(code);
  return new JobFailure(typeof name === 'string' && /^\w{1,40}$/.test(name) ? name : 'unknown');
}
