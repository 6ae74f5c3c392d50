import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { type Caller, type Page, pageOf, readPage } from '#kernel';
import { EventFault } from '../events.faults.ts';
import { markRetries, readDeadLetters, readDestinations } from './publication.store.ts';
import {
  type DeadEventView,
  type DeadLettersQuery,
  destinationNames,
  type DestinationList,
  type RetryRequest,
  type RetryView,
} from './publications.contract.ts';

/** How far destinations are, what they refused, and having that tried again. */
@Injectable()
export class Publications {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  async destinations(caller: Caller): Promise<DestinationList> {
    const rows = await this.database.inOrg(caller, readDestinations);
    return {
      items: rows.map((row) => ({
        destination: row.destination,
        deliveredPos: Number(row.delivered_pos),
        headPos: Number(row.head),
        lag: Number(row.head) - Number(row.delivered_pos),
        breaker: row.breaker,
        failures: row.failures,
        deadLetters: Number(row.dead),
        ...(row.delivered_at && { deliveredAt: row.delivered_at.toISOString() }),
        ...(row.retry_at && { retryAt: row.retry_at.toISOString() }),
        ...(row.last_error &&
          row.last_error_at && { lastError: { code: row.last_error, at: row.last_error_at.toISOString() } }),
      })),
    };
  }

  async deadLetters(caller: Caller, query: DeadLettersQuery): Promise<Page<DeadEventView>> {
    const { limit, before } = readPage(query);
    const destination = query.destination ?? destinationNames[0];
    const rows = await this.database.inOrg(caller, (tx) =>
      readDeadLetters(tx, { destination, limit: limit + 1, before }),
    );
    return pageOf(rows, limit, ({ pos, retry, at, ...rest }) => ({
      ...rest,
      pos: Number(pos),
      retrying: retry,
      at: at.toISOString(),
    }));
  }

  /** Fault: `events.destination_not_found`, where nothing of the organization goes there. */
  async retry(caller: Caller, { destination, events }: RetryRequest): Promise<RetryView> {
    return this.database.inOrg(caller, async (tx) => {
      const known = await readDestinations(tx);
      if (!known.some((one) => one.destination === destination)) throw EventFault.destination_not_found();
      const retrying = await markRetries(tx, destination, events);
      await this.audit.append(tx, caller, {
        action: 'event.retried',
        target: { type: 'event_destination', id: destination },
        changes: { count: { to: retrying } },
      });
      return { retrying };
    });
  }
}
