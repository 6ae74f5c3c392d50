import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { type Caller, Clock } from '#kernel';
import { Audit } from './audit.ts';
import type { AuditEventView, AuditPage, AuditQuery } from './audit.contract.ts';
import { type AuditRow, searchEvents } from './audit.store.ts';
import { Coalescer, READS } from './coalescer.ts';

/** Reading the log as people do. Reading is recorded too, once in ten minutes per reader. */
@Injectable()
export class AuditSearch {
  readonly #reads = new Coalescer<true>(READS);

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  async page(caller: Caller, query: AuditQuery): Promise<AuditPage> {
    const limit = query.limit ?? 50;
    const now = this.clock.monotonic();
    this.#reads.take(now);
    const record = this.#reads.admit(caller.org.id, caller.id, true, now);
    const rows = await this.#read(caller, query, limit, record).catch((error: unknown) => {
      if (record) this.#reads.forget(caller.org.id, caller.id);
      throw error;
    });
    const items = rows.slice(0, limit).map(viewOf);
    const last = items.at(-1);
    return rows.length > limit && last ? { items, next: last.pos } : { items };
  }

  #read(caller: Caller, query: AuditQuery, limit: number, record: boolean): Promise<AuditRow[]> {
    return this.database.inOrg(caller, async (tx) => {
      if (record) {
        await this.audit.append(tx, caller, {
          action: 'audit.read',
          target: { type: 'audit_log', id: caller.org.id },
        });
      }
      return searchEvents(tx, query, query.cursor ?? Number.MAX_SAFE_INTEGER, limit + 1);
    });
  }
}

function viewOf(row: AuditRow): AuditEventView {
  const leaf = JSON.parse(row.leaf) as Omit<AuditEventView, 'pos' | 'leafHash' | 'prevHash' | 'personal'>;
  return {
    ...leaf,
    pos: Number(row.pos),
    personal: JSON.parse(row.personal) as object,
    leafHash: row.leaf_hash,
    prevHash: row.prev_hash,
  };
}
