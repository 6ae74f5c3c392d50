import { SetMetadata } from '@nestjs/common';
import { HANDLES_JOB } from '#access';

export interface QueueSettings {
  /** How often a job that failed is tried again before it becomes a dead letter. */
  readonly retries: number;
  /** Seconds until the first retry; each further wait is twice as long, with jitter. */
  readonly firstDelay: number;
  /** Seconds no wait is longer than. */
  readonly longestDelay: number;
  /** Seconds one attempt may take. */
  readonly within: number;
  /** Jobs of this queue that one process works on at once. */
  readonly concurrency: number;
  /** Adds a job by itself, in UTC (`0 3 * * *`); such a job has no data. */
  readonly cron?: string;
}

/** A queue whose jobs carry data of type T: what JSON can say, and no undefined. */
export class JobQueue<T extends object | undefined> {
  declare readonly carries: T;

  constructor(
    /** Lasts: jobs of an older build wait under it. */
    readonly name: string,
    readonly settings: QueueSettings,
  ) {}

  /** Where jobs go that failed for good. Nothing works them off; see docs/operations.md. */
  get deadLetters(): string {
    return `${this.name}.dead`;
  }
}

/** What a handler learns of its job beside the data. */
export interface JobFacts {
  /** The same in every attempt, also after a dead letter is sent again. */
  readonly id: string;
  /** 0 in the first attempt. */
  readonly attempt: number;
}

type Handler<T> = (data: T, job: JobFacts) => Promise<void>;

/**
 * The method works off the jobs of this queue. A job runs at least once: again where the process died, or was cut off
 * from the database, before it could say that the job was done. The method throws where the job is to be tried again,
 * or a JobFailure that is final. Needs an access word beside it: `@Unattended`.
 */
export function HandlesJob<T extends object | undefined>(queue: JobQueue<T>) {
  return <M extends Handler<T>>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    SetMetadata(HANDLES_JOB, queue)(target, key, descriptor);
  };
}
