import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { Jobs } from '#jobs';
import { type Caller, newId, type Page, pageOf, readPage } from '#kernel';
import { AuditFault } from '../audit.faults.ts';
import { readHead } from '../audit.store.ts';
import { Audit } from '../audit.ts';
import { readHold } from '../retention/retention.store.ts';
import type { ErasureView } from './erasure.contract.ts';
import { erasureQueue } from './erasure-queue.ts';
import { type ErasureRow, insertErasure, readErasure, readErasures } from './erasure.store.ts';

/** Erasures of people from the log of an organization: asked for here, done by a job. */
@Injectable()
export class Erasures {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly jobs: Jobs,
  ) {}

  /** Of everything the log holds now. Asked again it finds what came since. Fault: `audit.on_hold`. */
  async request(caller: Caller, userId: string): Promise<ErasureView> {
    return this.database.inOrg(caller, async (tx) => {
      if (await readHold(tx, caller.org.id)) throw AuditFault.on_hold();
      const id = newId();
      const upTo = await readHead(tx);
      await this.audit.append(tx, caller, {
        action: 'audit.erasure_requested',
        target: { type: 'user', id: userId },
        changes: { erasure: { to: id }, upTo: { to: upTo } },
      });
      const requestedBy = caller.userId ?? caller.id;
      const row = await insertErasure(tx, { orgId: caller.org.id, id, userId, requestedBy, upTo });
      if (!row) throw AuditFault.erasure_not_found();
      await this.jobs.enqueue(tx, erasureQueue, { orgId: caller.org.id, erasureId: id });
      return viewOf(row);
    });
  }

  async list(caller: Caller, query: { limit: number; cursor?: string }): Promise<Page<ErasureView>> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) => readErasures(tx, limit + 1, before));
    return pageOf(rows, limit, viewOf);
  }

  async one(caller: Caller, id: string): Promise<ErasureView> {
    const row = await this.database.inOrg(caller, (tx) => readErasure(tx, caller.org.id, id));
    if (!row) throw AuditFault.erasure_not_found();
    return viewOf(row);
  }
}

function viewOf(row: ErasureRow): ErasureView {
  return {
    id: row.id,
    userId: row.user_id,
    state: row.state,
    requestedAt: row.requested_at.toISOString(),
    upTo: Number(row.up_to),
    doneUpTo: Number(row.done_up_to),
    events: Number(row.events),
    fields: Number(row.fields),
    ...(row.ended_at && { endedAt: row.ended_at.toISOString() }),
  };
}
