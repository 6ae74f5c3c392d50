import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { PgBoss } from 'pg-boss';
import { JobCatalogue } from '#access';
import { isOutage, type OrgTx, type SystemTx } from '#database';
import { newId } from '#kernel';
import { makeBoss } from './boss.ts';
import { asFailure, JobFailure } from './job-failure.ts';
import type { JobFacts, JobQueue } from './job-queue.ts';
import { JobsFault } from './jobs.faults.ts';

/** What closes payloads: the master key. */
interface Seal {
  wrap(plain: Buffer, context: string): string;
  unwrap(wrapped: string, context: string): Buffer;
}

/** What the jobs room takes from the configuration. */
export class JobsConfig {
  constructor(
    /** How the system role connects. */
    readonly systemUrl: string,
    readonly seal: Seal,
  ) {}
}

export interface StartOptions {
  /** True where this process works jobs off, false where it only adds them. */
  readonly works: boolean;
  /** Hears of every failure; what it is told holds no data of jobs. */
  readonly report: (failure: unknown) => void;
}

/** What stands in the database of a job's data. `id` is the one it was added under: a dead letter gets another. */
interface Sealed {
  readonly id: string;
  readonly sealed: string;
}

interface Taken {
  readonly id: string;
  readonly data: Sealed | null;
  readonly retryCount: number;
  readonly retryLimit: number;
}

const REOPEN_AFTER_MS = 2_000;
/** Below the 9 s of a clean stop, with time left for the database. */
const STOP_WITHIN_MS = 5_000;
const OUTAGE_REPORTED_EVERY_MS = 60_000;

/**
 * Durable jobs: they commit with the change they speak of, and run at least once. Their data is wrapped by the master
 * key, always, so that nothing readable stands in the database.
 */
@Injectable()
export class Jobs implements OnModuleDestroy {
  #boss: PgBoss | undefined;
  #options: StartOptions | undefined;
  #ready = false;
  #stopped = false;
  #reopen: NodeJS.Timeout | undefined;
  #outageReportedAt = -Infinity;

  constructor(
    private readonly config: JobsConfig,
    private readonly catalogue: JobCatalogue,
  ) {}

  /** Opens the queues. Where the database is away it goes on trying, and until then `enqueue` refuses. */
  async start(options: StartOptions): Promise<void> {
    this.#options = options;
    const scheduled = this.#queues.some(({ settings }) => settings.cron !== undefined);
    this.#boss = makeBoss(this.config.systemUrl, options.works, scheduled);
    this.#boss.on('error', (error) => this.#report(error));
    await this.#open(this.#boss);
  }

  /**
   * Adds a job that exists when `tx` commits, and not otherwise. Answers its id. Fault: `jobs.unavailable` while the
   * queues are not open. `afterSeconds`: it is not worked off earlier.
   */
  async enqueue<T extends object>(
    tx: OrgTx | SystemTx,
    queue: JobQueue<T>,
    data: T,
    afterSeconds = 0,
  ): Promise<string> {
    if (!this.#boss || !this.#ready) throw JobsFault.unavailable({ retryAfter: 2 });
    const id = newId();
    const sealed = this.config.seal.wrap(Buffer.from(JSON.stringify(data)), contextOf(queue.name, id));
    const db = {
      executeSql: async (text: string, values?: unknown[]) => ({ rows: await tx.query(text, values) }),
    };
    const added = await this.#boss.send(queue.name, { id, sealed } satisfies Sealed, {
      id,
      db,
      ...(afterSeconds > 0 && { startAfter: afterSeconds }),
    });
    if (added !== id) throw new Error(`the queue ${queue.name} took no job`);
    return id;
  }

  /** Takes no more jobs and lets those under way end; what does not end in time goes back to its queue. */
  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    this.#ready = false;
    clearTimeout(this.#reopen);
    const stop = this.#boss?.stop({ graceful: true, timeout: STOP_WITHIN_MS - 1_000 });
    // A database that is away must not hold up the stop: what was under way is taken up again after it.
    await Promise.race([
      stop?.catch((error: unknown) => this.#report(error)),
      sleep(STOP_WITHIN_MS, null, { ref: false }),
    ]);
  }

  get #queues(): JobQueue<object>[] {
    return this.catalogue.handlers.map(({ queue }) => queue as JobQueue<object>);
  }

  async #open(boss: PgBoss): Promise<void> {
    try {
      await boss.start();
      for (const queue of this.#queues) await declare(boss, queue);
      this.#ready = !this.#stopped;
      if (this.#options?.works) await this.#work(boss);
    } catch (error) {
      this.#report(error);
      if (this.#stopped) return;
      this.#reopen = setTimeout(() => void this.#open(boss), REOPEN_AFTER_MS);
    }
  }

  async #work(boss: PgBoss): Promise<void> {
    await reschedule(boss, this.#queues);
    for (const handler of this.catalogue.handlers) {
      const queue = handler.queue as JobQueue<object>;
      const options = {
        // A notice wakes the workers for a new job; what waits for a retry is found by looking.
        pollingIntervalSeconds: 2,
        notifyPollingIntervalSeconds: 5,
        includeMetadata: true,
        perJobResults: true,
      } as const;
      for (let n = 0; n < queue.settings.concurrency; n += 1) {
        const worker: string = await boss.work(queue.name, options, async (jobs: Taken[]) => {
          const results = await Promise.all(jobs.map((job) => this.#run(queue, handler.run, job)));
          // Where there was one job there may be more, and no notice comes for those.
          boss.notifyWorker(worker);
          return results;
        });
      }
    }
  }

  /** One attempt. What it answers is kept in the database: never an error's words. */
  async #run(
    queue: JobQueue<object>,
    handle: (...args: unknown[]) => Promise<void>,
    { id, data, retryCount, retryLimit }: Taken,
  ): Promise<{ id: string; status: 'completed' | 'failed' | 'deadletter'; output?: object }> {
    try {
      await handle(this.#unseal(queue.name, data), {
        id: data?.id ?? id,
        attempt: retryCount,
      } satisfies JobFacts);
      return { id, status: 'completed' };
    } catch (error) {
      const { code, final } = asFailure(error);
      const end = final || retryCount >= retryLimit ? 'a dead letter' : 'tried again';
      this.#options?.report(
        `job ${id} of ${queue.name} failed with ${code} in attempt ${retryCount + 1} and is ${end}`,
      );
      return { id, status: final ? 'deadletter' : 'failed', output: { code } };
    }
  }

  #unseal(queue: string, data: Sealed | null): object | undefined {
    if (data === null) return undefined;
    try {
      return JSON.parse(this.config.seal.unwrap(data.sealed, contextOf(queue, data.id)).toString()) as object;
    } catch (error) {
      // Of another deployment, or altered. A process with the right key may still read it.
      throw new JobFailure('unreadable', false, { cause: error });
    }
  }

  /** An outage shows at every look into the database: it is reported once a minute. */
  #report(error: unknown): void {
    const shown = error instanceof Error ? error : Object.assign(new Error('pg-boss'), error);
    if (isOutage(shown)) {
      if (performance.now() - this.#outageReportedAt < OUTAGE_REPORTED_EVERY_MS) return;
      this.#outageReportedAt = performance.now();
    }
    this.#options?.report(shown);
  }
}

const contextOf = (queue: string, id: string): string => `job:${queue}:${id}`;

/** Seconds without a sign of life from its worker after which a job is given to another. */
const HEARTBEAT = 20;
const DAY = 86_400;

/**
 * Makes the queue, or changes it to what this build declares. It is a row, not a table: the runtime's role needs no
 * right to make anything.
 */
async function declare(boss: PgBoss, { name, deadLetters, settings }: JobQueue<object>): Promise<void> {
  const dead = { retryLimit: 0, retentionSeconds: 30 * DAY };
  await boss.createQueue(deadLetters, dead);
  await boss.updateQueue(deadLetters, dead);
  const options = {
    retryLimit: settings.retries,
    retryDelay: settings.firstDelay,
    retryDelayMax: settings.longestDelay,
    retryBackoff: true,
    expireInSeconds: settings.within,
    heartbeatSeconds: HEARTBEAT,
    deleteAfterSeconds: DAY,
    deadLetter: deadLetters,
    notify: true,
  };
  await boss.createQueue(name, options);
  await boss.updateQueue(name, options);
}

/** Schedules what is declared and nothing else. */
async function reschedule(boss: PgBoss, queues: readonly JobQueue<object>[]): Promise<void> {
  for (const { name, settings } of queues) {
    if (settings.cron !== undefined) await boss.schedule(name, settings.cron, null, { tz: 'UTC' });
  }
  const declared = new Set(queues.filter(({ settings }) => settings.cron).map(({ name }) => name));
  for (const { name } of await boss.getSchedules()) {
    if (!declared.has(name)) await boss.unschedule(name);
  }
}
