import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { Database } from '#database';
import { HandlesJob, type JobFacts } from '#jobs';
import { Fault } from '#kernel';
import { endDelivery, readDelivery } from '../deliveries/delivery.store.ts';
import { holdHook, type HookRow } from '../hooks/hook.store.ts';
import { rereadQueue } from './queues.ts';
import { Rereads } from './rereads.ts';

/** Reads what accepted deliveries speak of. */
@Injectable()
export class DeliveryJobs {
  constructor(
    private readonly database: Database,
    private readonly rereads: Rereads,
  ) {}

  @HandlesJob(rereadQueue)
  @Unattended('it reads what a signed delivery speaks of, with the credential of the hook’s own organization')
  async run({ orgId, deliveryId }: { orgId: string; deliveryId: string }, job: JobFacts): Promise<void> {
    const { row, hook } = await this.database.acrossOrgs('gitea_intake', async (tx) => {
      const found = await readDelivery(tx, orgId, deliveryId);
      return { row: found, hook: found && (await holdHook(tx, orgId, found.hook_id)) };
    });
    // Done before the worker could say so; or the hook was deleted, and its lines with it.
    if (!row || !hook || row.state !== 'queued' || row.repository === null) return;
    if (!hook.live || !hook.repositories.includes(row.repository)) {
      return this.#end(row, { state: 'failed', code: 'hook_disabled' });
    }
    try {
      await this.#read(hook, row.repository, row);
    } catch (error) {
      const state = job.attempt >= rereadQueue.settings.retries ? 'failed' : 'queued';
      await this.#end(row, { state, code: codeOf(error) });
      throw error;
    }
    await this.#end(row, { state: 'done', code: null });
  }

  #read(
    hook: HookRow,
    name: string,
    { id, subjects }: NonNullable<Awaited<ReturnType<typeof readDelivery>>>,
  ): Promise<void> {
    return this.rereads.asking(hook, (rereadQueue.settings.within - 10) * 1_000, async (http) => {
      const { repository } = await this.rereads.open(http, hook, name);
      for (const subject of subjects) await this.rereads.reread({ hook, repository, delivery: id }, subject);
    });
  }

  #end(
    { org_id, id }: { org_id: string; id: string },
    end: { state: 'queued' | 'done' | 'failed'; code: string | null },
  ): Promise<void> {
    return this.database.acrossOrgs('gitea_intake', (tx) => endDelivery(tx, org_id, id, end));
  }
}

/** A code that says why, never an error's words. */
export function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  if (error instanceof Fault || (typeof code === 'string' && /^[a-z][a-z0-9_.]{2,60}$/.test(code)))
    return String(code);
  return 'failed';
}
