import { Injectable } from '@nestjs/common';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database, type LiveAnswer, LiveCallers } from '#database';
import { type Caller, Clock, Fault } from '#kernel';
import { readFingerprint, type Subject } from '../history/projection.store.ts';
import { ProjectionFault } from '../projection.faults.ts';
import { OwnSurfaces, withRecorded } from './own-surfaces.ts';
import { tell } from './projection-view.ts';
import { Projections } from './projections.ts';

/** How soon a change shows. */
const LOOK_MS = 250;
const KEEP_ALIVE_MS = 15_000;
/** When a client whose stream ended opens another one. */
const RETRY_MS = 2_000;
/** Streams of one credential in one process: each looks into the database by itself. */
const STREAMS_EACH = 10;

/**
 * Streams of verdicts (server-sent events, HTML Living Standard section 9.2). First every surface as it is, then each
 * that changes, by fact or by time. Level, not edge: a client that was away opens another stream and has missed nothing.
 *
 * It ends when the caller’s authority changes: what was read before is not sent any more.
 */
@Injectable()
export class Watch {
  constructor(
    private readonly database: Database,
    private readonly projections: Projections,
    private readonly own: OwnSurfaces,
    private readonly live: LiveCallers,
    private readonly clock: Clock,
  ) {}

  /** The first look happens before anything is answered, so that a refusal is one. */
  async open(caller: Caller, seconds: number): Promise<Readable> {
    if (this.live.held(caller) >= STREAMS_EACH) {
      throw ProjectionFault.too_many_watchers({ data: { limit: STREAMS_EACH }, retryAfter: 5 });
    }
    const until = this.clock.monotonic() + seconds * 1_000;
    const answer = this.live.open(caller);
    try {
      const first = await this.#look(caller, undefined);
      const stream = Readable.from(this.#events(caller, first, until, answer), { objectMode: false });
      return stream.once('close', () => answer.close());
    } catch (error) {
      answer.close();
      throw error;
    }
  }

  async *#events(caller: Caller, first: Look, until: number, { signal }: LiveAnswer): AsyncGenerator<string> {
    const tags = new Map<string, string>();
    let look = first;
    let spokeAt = this.clock.monotonic();
    try {
      // At once, or the answer would have no beginning until there is news.
      yield `retry: ${RETRY_MS}\n\n`;
      while (!signal.aborted) {
        const silent = this.clock.monotonic() - spokeAt >= KEEP_ALIVE_MS ? ': keep-alive\n\n' : '';
        const said = this.#news(look.subjects, tags) || silent;
        if (said !== '') {
          spokeAt = this.clock.monotonic();
          yield said;
        }
        if (this.clock.monotonic() >= until) break;
        await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
        // Also where it was woken: it tells why the stream ends.
        look = await this.#look(caller, look);
      }
      yield event('end', { reason: 'over' });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      yield event('end', { reason: error.code });
    }
  }

  async #look(caller: Caller, before: Look | undefined): Promise<Look> {
    const own = await this.own.of(caller.org);
    return this.database.inOrg(caller, async (tx) => {
      const mark = await readFingerprint(tx);
      const stored = before?.mark === mark ? before.stored : await this.projections.all(tx);
      return { mark, stored, subjects: [...(await withRecorded(tx, caller.org.id, own)), ...stored] };
    });
  }

  #news(subjects: readonly Subject[], tags: Map<string, string>): string {
    const now = this.clock.now().getTime();
    const gone = new Set(tags.keys());
    let text = '';
    for (const subject of subjects) {
      gone.delete(subject.id);
      const { view, tag } = tell(subject, now);
      if (tags.get(subject.id) === tag) continue;
      tags.set(subject.id, tag);
      text += event('projection', view);
    }
    for (const surfaceId of gone) {
      tags.delete(surfaceId);
      text += event('gone', { surfaceId });
    }
    return text;
  }
}

/** What one look found. `stored` is kept while `mark` stays: the rows are the same, only time goes on. */
interface Look {
  readonly mark: string;
  readonly stored: readonly Subject[];
  readonly subjects: readonly Subject[];
}

function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
