import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { type Caller, Clock } from '#kernel';
import type { AuditEventView, AuditPage, AuditQuery } from '../audit.contract.ts';
import type { AuditRow } from '../audit.store.ts';
import { Audit } from '../audit.ts';
import { Coalescer, READS } from '../coalescer.ts';
import { readPrunedUpTo } from '../retention/retention.store.ts';
import { csvHead, csvLine } from './csv.ts';
import { SearchIndex } from './search-index.ts';
import { type AuditFilter, searchEvents } from './search.store.ts';

type Form = 'json' | 'csv';

/** Events read in one short transaction: a slow reader holds no connection between batches. */
const BATCH = 500;

/** Reading the log as people do. Reading is recorded too, once in ten minutes per reader and form. */
@Injectable()
export class AuditSearch {
  readonly #reads = new Coalescer<true>(READS);

  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly index: SearchIndex,
    private readonly clock: Clock,
  ) {}

  /** Fault: `audit.search_behind`. */
  async page(caller: Caller, query: AuditQuery): Promise<AuditPage> {
    const limit = query.limit ?? 50;
    await this.#record(caller, 'json');
    const indexed = await this.#reach(caller, query);
    const { rows, prunedUpTo } = await this.database.inOrg(caller, async (tx) => ({
      rows: await searchEvents(tx, query, { before: query.cursor ?? NEWEST, limit: limit + 1, indexed }),
      prunedUpTo: await readPrunedUpTo(tx, caller.org.id),
    }));
    const items = rows.slice(0, limit).map(viewOf);
    const last = items.at(-1);
    const more = rows.length > limit && last;
    return { items, ...(more && { next: last.pos }), ...(prunedUpTo > 0 && { prunedUpTo }) };
  }

  /** The same as CSV, at most `limit` events or all that are found; pull at your own pace. */
  async csv(caller: Caller, query: AuditQuery): Promise<AsyncIterable<string>> {
    await this.#record(caller, 'csv');
    return this.#lines(caller, query, await this.#reach(caller, query));
  }

  async *#lines(caller: Caller, query: AuditQuery, indexed: number): AsyncGenerator<string> {
    yield csvHead;
    let left = query.limit ?? Infinity;
    let before = query.cursor ?? NEWEST;
    while (left > 0) {
      const page = { before, limit: Math.min(left, BATCH), indexed };
      const rows = await this.database.inOrg(caller, (tx) => searchEvents(tx, query, page));
      yield rows.map(csvLine).join('');
      if (rows.length < page.limit) return;
      left -= rows.length;
      before = Number(rows.at(-1)?.pos);
    }
  }

  /** How far the search may rely on the index; a search for nothing in particular needs none. */
  async #reach(caller: Caller, query: AuditFilter): Promise<number> {
    const { action, actorId, targetId, requestId, outcome, from, to } = query;
    const isFiltered = [action, actorId, targetId, requestId, outcome, from, to].some(
      (one) => one !== undefined,
    );
    return isFiltered ? this.index.reach(caller) : 0;
  }

  /** Durable before anything is read. */
  async #record(caller: Caller, format: Form): Promise<void> {
    const kind = `${caller.id}|${format}`;
    const now = this.clock.monotonic();
    this.#reads.take(now);
    if (!this.#reads.admit(caller.org.id, kind, true, now)) return;
    try {
      await this.database.inOrg(caller, (tx) =>
        this.audit.append(tx, caller, {
          action: 'audit.read',
          target: { type: 'audit_log', id: caller.org.id },
          ...(format === 'csv' && { changes: { format: { to: format } } }),
        }),
      );
    } catch (error) {
      this.#reads.forget(caller.org.id, kind);
      throw error;
    }
  }
}

const NEWEST = Number.MAX_SAFE_INTEGER;

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
