import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { Database, type SystemTx } from '#database';
import { HandlesJob, Jobs } from '#jobs';
import { type Caller, newId } from '#kernel';
import { bySystem } from '../audit-event.ts';
import { AuditFault } from '../audit.faults.ts';
import { Audit } from '../audit.ts';
import { everyLog, type LogHead } from '../checkpoint/checkpoint.store.ts';
import type { EverywhereView } from './erasure.contract.ts';
import { erasureQueue, type EverywhereJob, everywhereQueue } from './erasure-queue.ts';
import {
  type ErasureRow,
  insertErasure,
  readAddresses,
  readErasure,
  readEverywhere,
  speaksOf,
} from './erasure.store.ts';
import { BATCH } from './erasure-work.ts';
import { readExtent } from '../tree/tree.store.ts';

/**
 * A person erased from the logs of all organizations, those that were deleted included: one erasure in each log that
 * speaks of them, with the records that every erasure has. Addresses that one log knows the person by are erased from
 * all. The platform's own log is the last, so that when its erasure has ended nothing more is asked for.
 */
@Injectable()
export class ErasuresEverywhere {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly jobs: Jobs,
  ) {}

  async request(caller: Caller, userId: string): Promise<EverywhereView> {
    const orgId = caller.org.id;
    const id = newId();
    await this.database.acrossOrgsFor('erase_person', caller, async (tx) => {
      await this.audit.append(tx, caller, {
        action: 'audit.erasure_requested',
        target: { type: 'user', id: userId },
        changes: { erasure: { to: id }, everywhere: { to: true } },
      });
      const { size: upTo } = await readExtent(tx, orgId);
      await insertErasure(tx, { orgId, id, userId, requestedBy: caller.userId ?? caller.id, upTo });
      await this.jobs.enqueue(tx, everywhereQueue, { orgId, erasureId: id });
    });
    return this.one(caller, id);
  }

  async one(caller: Caller, id: string): Promise<EverywhereView> {
    const row = await this.database.acrossOrgsFor('erase_person', caller, (tx) =>
      readEverywhere(tx, caller.org.id, id),
    );
    if (!row) throw AuditFault.erasure_not_found();
    const isOver = row.ended === row.logs;
    const state = isOver ? (row.stopped > 0 ? 'stopped' : 'completed') : row.logs > 1 ? 'running' : 'waiting';
    return {
      id,
      userId: row.user_id,
      state,
      requestedAt: row.requested_at.toISOString(),
      logs: row.logs,
      stopped: row.stopped,
      events: Number(row.events),
      fields: Number(row.fields),
      ...(isOver && row.ended_at && { endedAt: row.ended_at.toISOString() }),
    };
  }

  @HandlesJob(everywhereQueue)
  @Unattended(
    'the erasure was asked for by somebody who was let in; each log’s legal hold is asked for again',
  )
  async run({ orgId, erasureId }: EverywhereJob): Promise<void> {
    const erasure = await this.#within((tx) => readErasure(tx, orgId, erasureId));
    if (!erasure || erasure.ended_at) return;
    const addresses = await this.#addressesOf(erasure.user_id);
    for await (const log of everyLog(this.database, 'audit_erasure')) {
      if (log.orgId !== orgId && (await this.#speaks(log, erasure.user_id, addresses))) {
        await this.#within((tx) => this.#ask(tx, log, erasure, addresses));
      }
    }
    await this.#within((tx) => this.jobs.enqueue(tx, erasureQueue, { orgId, erasureId, addresses }));
  }

  /** What any log calls the person by. */
  async #addressesOf(userId: string): Promise<string[]> {
    const known = new Set<string>();
    for await (const { orgId, size } of everyLog(this.database, 'audit_erasure')) {
      for (let after = 0; after < size; after += BATCH) {
        const upTo = Math.min(after + BATCH, size);
        for (const one of await this.#within((tx) => readAddresses(tx, orgId, userId, after, upTo)))
          known.add(one);
      }
    }
    return [...known];
  }

  async #speaks({ orgId, size }: LogHead, userId: string, addresses: string[]): Promise<boolean> {
    for (let after = 0; after < size; after += BATCH) {
      const part = { orgId, after, upTo: Math.min(after + BATCH, size) };
      if (await this.#within((tx) => speaksOf(tx, { userId, addresses }, part))) return true;
    }
    return false;
  }

  /** In the name of whoever asked for all. */
  async #ask(
    tx: SystemTx,
    { orgId, size }: LogHead,
    erasure: ErasureRow,
    addresses: string[],
  ): Promise<void> {
    const { id, user_id: userId, requested_by: requestedBy } = erasure;
    if (!(await insertErasure(tx, { orgId, id, userId, requestedBy, upTo: size }))) return;
    await this.audit.record(tx, {
      ...bySystem('audit', everywhereQueue.name),
      actor: { type: 'user', id: requestedBy },
      orgId,
      action: 'audit.erasure_requested',
      target: { type: 'user', id: userId },
      outcome: 'success',
      changes: { erasure: { to: id }, upTo: { to: size }, everywhere: { to: true } },
    });
    await this.jobs.enqueue(tx, erasureQueue, { orgId, erasureId: id, addresses });
  }

  #within<T>(work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.database.acrossOrgs('audit_erasure', work);
  }
}
