import { Injectable } from '@nestjs/common';
import { Unattended } from '#access';
import { Database, type SystemTx } from '#database';
import { HandlesJob, Jobs } from '#jobs';
import { type AuditEntry, bySystem, type Changes } from '../audit-event.ts';
import { Audit } from '../audit.ts';
import { readHold } from '../retention/retention.store.ts';
import { type ErasureJob, erasureQueue } from './erasure-queue.ts';
import { erase, type ErasureRow, readAddresses, readErasure, updateErasure } from './erasure.store.ts';

/** Positions in one transaction: a few hundred milliseconds where each of them holds something to erase. */
export const BATCH = 5_000;

/**
 * Does erasures. First it learns which addresses the log calls the person by, for they stand in invitations and
 * refused sign-ins too, where no id does. They travel in a job of their own, sealed, so that what erases them can be
 * cut off and still know them. Then it erases, batch by batch, each with its record.
 */
@Injectable()
export class ErasureWork {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly jobs: Jobs,
  ) {}

  @HandlesJob(erasureQueue)
  @Unattended('the erasure was asked for by somebody who was let in; a legal hold is asked for again')
  async run({ orgId, erasureId, addresses }: ErasureJob): Promise<void> {
    const erasure = await this.#within((tx) => readErasure(tx, orgId, erasureId));
    if (!erasure || erasure.ended_at) return;
    if (addresses) await this.#erase(orgId, erasure, addresses);
    else await this.#learn(orgId, erasure);
  }

  async #learn(orgId: string, { id, user_id: userId, up_to: upTo }: ErasureRow): Promise<void> {
    const known = new Set<string>();
    for (let after = 0; after < Number(upTo); after += BATCH) {
      const [from, to] = [after, Math.min(after + BATCH, Number(upTo))];
      const some = await this.#within((tx) => readAddresses(tx, orgId, userId, from, to));
      for (const address of some) known.add(address);
    }
    await this.#within((tx) =>
      this.jobs.enqueue(tx, erasureQueue, { orgId, erasureId: id, addresses: [...known] }),
    );
  }

  async #erase(orgId: string, erasure: ErasureRow, addresses: string[]): Promise<void> {
    const upTo = Number(erasure.up_to);
    for (let after = Number(erasure.done_up_to); after < upTo; after += BATCH) {
      const to = Math.min(after + BATCH, upTo);
      if (await this.#within((tx) => this.#step(tx, orgId, erasure, addresses, after, to))) return;
    }
    await this.#within((tx) => this.#end(tx, orgId, erasure, 'completed', upTo));
  }

  /** One batch; true where a legal hold has stopped all. What it finds nothing in leaves no record. */
  async #step(
    tx: SystemTx,
    orgId: string,
    erasure: ErasureRow,
    addresses: string[],
    after: number,
    upTo: number,
  ): Promise<boolean> {
    if (await readHold(tx, orgId)) {
      await this.#end(tx, orgId, erasure, 'stopped', after);
      return true;
    }
    const done = await erase(tx, { orgId, userId: erasure.user_id, addresses, after, upTo });
    if (done.events === 0) return false;
    await this.audit.record(
      tx,
      entryOf(orgId, erasure, 'audit.erased', {
        after: { to: after },
        upTo: { to: upTo },
        events: { to: done.events },
        fields: { to: done.fields },
      }),
    );
    await updateErasure(tx, orgId, erasure.id, { state: 'running', doneUpTo: upTo, ...done });
    return false;
  }

  async #end(
    tx: SystemTx,
    orgId: string,
    erasure: ErasureRow,
    state: 'completed' | 'stopped',
    doneUpTo: number,
  ): Promise<void> {
    await updateErasure(tx, orgId, erasure.id, { state, doneUpTo });
    const now = await readErasure(tx, orgId, erasure.id);
    const changes = { events: { to: Number(now?.events) }, fields: { to: Number(now?.fields) } };
    const entry = entryOf(orgId, erasure, 'audit.erasure_ended', changes);
    await this.audit.record(
      tx,
      state === 'completed' ? entry : { ...entry, outcome: 'failure', reason: 'on_hold' },
    );
  }

  #within<T>(work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.database.acrossOrgs('audit_erasure', work);
  }
}

function entryOf(
  orgId: string,
  { id, user_id: userId }: ErasureRow,
  action: AuditEntry['action'],
  changes: Changes,
): AuditEntry {
  return {
    ...bySystem('audit', erasureQueue.name),
    orgId,
    action,
    target: { type: 'user', id: userId },
    outcome: 'success',
    changes: { erasure: { to: id }, ...changes },
  };
}
