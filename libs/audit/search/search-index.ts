import { Injectable, Logger } from '@nestjs/common';
import { Database } from '#database';
import { type Caller, Clock } from '#kernel';
import { AuditFault } from '../audit.faults.ts';
import { extendSearch, readSearched, readSearchExtent, type SearchExtent } from './search.store.ts';

/** Positions in one transaction: a tenth of a second's work or two. */
const STEP = 5_000;
/** Positions that a search reads from the log itself. */
const TAIL = 1_000;
/** How long a search may take up positions before it is told to come again. */
const PATIENCE_MS = 200;

/**
 * What logs are searched by. It is made from the log where somebody searches, never by a write: by the search itself
 * where little is missing, behind it where much is. Workers keep up with logs that somebody has searched.
 */
@Injectable()
export class SearchIndex {
  readonly #logger = new Logger('audit');
  readonly #behind = new Set<string>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** How far a search in this log may rely on it. Fault: `audit.search_behind`, with how far it is. */
  async reach(caller: Caller): Promise<number> {
    const orgId = caller.org.id;
    let extent = await this.database.inOrg(caller, (tx) => readSearchExtent(tx, orgId));
    const until = this.clock.monotonic() + PATIENCE_MS;
    while (extent.size - extent.indexed > TAIL) {
      if (this.#behind.has(orgId) || this.clock.monotonic() >= until) {
        this.#followUp(orgId);
        throw AuditFault.search_behind({
          data: { indexedUpTo: extent.indexed, treeSize: extent.size },
          retryAfter: 2,
        });
      }
      extent = await this.#step(orgId);
    }
    return extent.indexed;
  }

  /** Takes up what came since of every log that was ever searched. */
  async keepUp(): Promise<void> {
    for (const orgId of await this.database.acrossOrgs('audit_search', readSearched))
      await this.extend(orgId);
  }

  /** Takes up all of a log. */
  async extend(orgId: string): Promise<void> {
    for (let extent = await this.#step(orgId); extent.indexed < extent.size;)
      extent = await this.#step(orgId);
  }

  #step(orgId: string): Promise<SearchExtent> {
    return this.database.acrossOrgs('audit_search', (tx) => extendSearch(tx, orgId, STEP));
  }

  /** In this process, once at a time, after the search was answered. */
  #followUp(orgId: string): void {
    if (this.#behind.has(orgId)) return;
    this.#behind.add(orgId);
    void this.extend(orgId)
      .catch((error: unknown) => this.#logger.error(error))
      .finally(() => this.#behind.delete(orgId));
  }
}
