import { Injectable } from '@nestjs/common';
import { JobCatalogue } from '#access';
import { Database } from '#database';
import type { Caller } from '#kernel';
import type { JobQueue } from './job-queue.ts';

export interface QueueDepth {
  readonly queue: string;
  /** Jobs that nobody works on yet, those that wait for another attempt among them. */
  readonly waiting: number;
  readonly active: number;
  /** Dead letters. */
  readonly failed: number;
}

/** How full each queue is: for operators of the deployment. Workers count every 10 s; what they counted is read. */
@Injectable()
export class QueueDepths {
  constructor(
    private readonly database: Database,
    private readonly catalogue: JobCatalogue,
  ) {}

  async read(caller: Caller): Promise<QueueDepth[]> {
    const queues = this.catalogue.handlers.map(({ queue }) => queue as JobQueue<object>);
    const names = queues.flatMap(({ name, deadLetters }) => [name, deadLetters]);
    const rows = await this.database.acrossOrgsFor('metrics', caller, (tx) =>
      tx.query<{ name: string; queued: number; active: number }>(
        `SELECT name, queued_count AS queued, active_count AS active FROM pgboss.queue WHERE name = ANY ($1)`,
        [names],
      ),
    );
    const byName = new Map(rows.map((row) => [row.name, row]));
    return queues.map(({ name, deadLetters }) => ({
      queue: name,
      waiting: byName.get(name)?.queued ?? 0,
      active: byName.get(name)?.active ?? 0,
      failed: byName.get(deadLetters)?.queued ?? 0,
    }));
  }
}
