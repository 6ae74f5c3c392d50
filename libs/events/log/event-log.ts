import { Injectable } from '@nestjs/common';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { Database, type LiveAnswer, LiveCallers, type OrgTx } from '#database';
import { type Caller, Clock, Fault } from '#kernel';
import { eventText } from '../event.ts';
import { EventFault } from '../events.faults.ts';
import { EventHeads } from './event-heads.ts';
import type { EventDetailView, EventList, EventsQuery, EventView } from './event-log.contract.ts';
import {
  type EventRow,
  readAfter,
  readBounds,
  readDeadLettersOf,
  readEvent,
  readPublications,
} from './event-log.store.ts';

const PAGE = 100;
/** A stream shows that it is there, and proves its caller anew, this often. */
const BEAT_MS = 10_000;
/** No stream outlives an access token: whoever goes on comes back with a new one. */
const LONGEST_STREAM_S = 300;
/** What a client that does not read may hold back once its stream is over. */
const LINGER_MS = 250;
/** Streams that one credential may have open in one process. */
const STREAMS_EACH = 10;

interface Range {
  readonly after: number;
  readonly type?: string | undefined;
}

/**
 * The embedded destination: everything that was published, in order, from any position, as often as one likes.
 * Reading changes nothing. Positions up to the newest are complete and never change.
 */
@Injectable()
export class EventLog {
  constructor(
    private readonly database: Database,
    private readonly heads: EventHeads,
    private readonly live: LiveCallers,
    private readonly clock: Clock,
  ) {}

  async list(caller: Caller, { after = 0, limit = PAGE, type, wait = 0 }: EventsQuery): Promise<EventList> {
    const until = this.clock.monotonic() + wait * 1_000;
    const answer = this.live.open(caller);
    try {
      for (let seen = after; ;) {
        const { rows, head } = await this.#read(caller, { after: seen, type }, limit);
        // All up to the head was looked at, where the page is not full.
        const next = rows.length === limit ? Number(rows.at(-1)?.pos) : head;
        const left = until - this.clock.monotonic();
        if (rows.length > 0 || left <= 0) return { items: rows.map(viewOf), next, head };
        seen = head;
        await this.heads.grown(caller.org.id, seen, Math.min(left, BEAT_MS), answer.signal);
        if (answer.signal.aborted) return { items: [], next: seen, head: seen };
      }
    } finally {
      answer.close();
    }
  }

  /** Server-sent events; ends when the caller’s authority changes. Faults before it begins: as `list`, `too_many_streams`. */
  async stream(caller: Caller, range: Range & { seconds?: number }): Promise<Readable> {
    if (this.live.held(caller) >= STREAMS_EACH) {
      throw EventFault.too_many_streams({ data: { limit: STREAMS_EACH }, retryAfter: 30 });
    }
    const answer = this.live.open(caller);
    try {
      await this.database.inOrg(caller, (tx) => requireRange(tx, range.after));
    } catch (error) {
      answer.close();
      throw error;
    }
    const out = new PassThrough();
    pipeline(this.#lines(caller, range, answer), out, () => undefined);
    // A client that went away is noticed here, however long the next event is off.
    out.once('close', () => answer.close());
    answer.signal.addEventListener('abort', () => {
      setTimeout(() => void (out.readableEnded || out.destroy()), LINGER_MS).unref();
    });
    return out;
  }

  async read(caller: Caller, id: string): Promise<EventDetailView> {
    return this.database.inOrg(caller, async (tx) => {
      const row = await readEvent(tx, id);
      if (!row) throw EventFault.not_found();
      const publications = await readPublications(tx, row.pos);
      const refused = await readDeadLettersOf(tx, row.pos);
      return {
        ...viewOf(row),
        publications: publications.map(({ sequence, payload_sha256, at, ...rest }) => ({
          ...rest,
          sequence: Number(sequence),
          payloadSha256: payload_sha256,
          at: at.toISOString(),
        })),
        refused: refused.map(({ retry, at, ...rest }) => ({
          ...rest,
          retrying: retry,
          at: at.toISOString(),
        })),
      };
    });
  }

  /** Where it cannot go on it ends: the client comes back, and is told why. */
  async *#lines(
    caller: Caller,
    range: Range & { seconds?: number },
    answer: LiveAnswer,
  ): AsyncGenerator<Buffer> {
    try {
      yield* this.#messages(caller, range, answer);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
  }

  async *#messages(
    caller: Caller,
    { after, type, seconds = LONGEST_STREAM_S }: Range & { seconds?: number },
    { signal }: LiveAnswer,
  ): AsyncGenerator<Buffer> {
    const until = this.clock.monotonic() + seconds * 1_000;
    yield Buffer.from(': events\nretry: 1000\n\n');
    for (let seen = after; !signal.aborted;) {
      const { rows, head } = await this.#read(caller, { after: seen, type }, PAGE);
      if (signal.aborted) return;
      if (rows.length > 0) yield Buffer.from(rows.map(messageOf).join(''));
      seen = rows.length === PAGE ? Number(rows.at(-1)?.pos) : head;
      const left = until - this.clock.monotonic();
      if (left <= 0) return;
      if (rows.length > 0) continue;
      await this.heads.grown(caller.org.id, seen, Math.min(left, BEAT_MS), signal);
      if (!signal.aborted) yield Buffer.from(':\n\n');
    }
  }

  async #read(
    caller: Caller,
    { after, type }: Range,
    limit: number,
  ): Promise<{ rows: EventRow[]; head: number }> {
    return this.database.inOrg(caller, async (tx) => {
      const head = await requireRange(tx, after);
      // Not beyond the head that was read: what commits meanwhile is for the next page.
      const rows = (await readAfter(tx, { after, type, limit })).filter(({ pos }) => Number(pos) <= head);
      return { rows, head };
    });
  }
}

/** The newest position. Faults: `events.beyond_log`, `events.pruned`. */
async function requireRange(tx: OrgTx, after: number): Promise<number> {
  const { head, prunedUpTo } = await readBounds(tx);
  if (after > head) {
    const errors = [{ path: 'after', message: `must be at most ${head}` }];
    throw EventFault.beyond_log({ errors, data: { head } });
  }
  // From the beginning means: from the beginning of what there is.
  if (after > 0 && after < prunedUpTo) throw EventFault.pruned({ data: { prunedUpTo } });
  return head;
}

const viewOf = (row: EventRow): EventView => JSON.parse(eventText(row)) as EventView;

/** One message of a stream; the id is what `Last-Event-ID` continues after. */
function messageOf(row: EventRow): string {
  return `id: ${row.pos}\nevent: ${row.type}\ndata: ${eventText(row)}\n\n`;
}
