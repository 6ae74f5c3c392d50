import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Readable } from 'node:stream';
import { Database, type InvalidationListener, InvalidationStream } from '#database';
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
/** Each looks into the database by itself. */
const MOST_OF_ORG = 20;

/**
 * Streams of verdicts (server-sent events, HTML Living Standard section 9.2). First every surface as it is, then each
 * that changes, by fact or by time. Level, not edge: a client that was away opens another stream and has missed nothing.
 *
 * Nothing is sent that was not read under a credential that was live at that moment, and every piece of news of ended
 * credentials makes each stream look at once: so it is silent from the revocation on and ends right after it.
 */
@Injectable()
export class Watch implements InvalidationListener, OnModuleInit, OnModuleDestroy {
  readonly #sleepers = new Set<() => void>();
  readonly #openByOrg = new Map<string, number>();
  #stopped = false;

  constructor(
    private readonly database: Database,
    private readonly projections: Projections,
    private readonly own: OwnSurfaces,
    private readonly stream: InvalidationStream,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.stream.listen(this);
  }

  onModuleDestroy(): void {
    this.#stopped = true;
    this.#wakeAll();
  }

  dropped(): void {
    this.#wakeAll();
  }

  lapsed(): void {
    this.#wakeAll();
  }

  /** The first look happens before anything is answered, so that a refusal is one. */
  async open(caller: Caller, seconds: number): Promise<Readable> {
    const orgId = caller.org.id;
    if ((this.#openByOrg.get(orgId) ?? 0) >= MOST_OF_ORG)
      throw ProjectionFault.too_many_watchers({ retryAfter: 5 });
    this.#count(orgId, 1);
    try {
      const until = this.clock.monotonic() + seconds * 1_000;
      const first = await this.#look(caller, undefined);
      // Where the client has left, the stream is destroyed first and closes when the generator has ended.
      const isOver = (): boolean => this.#stopped || stream.destroyed || this.clock.monotonic() >= until;
      const stream = Readable.from(this.#events(caller, first, isOver), { objectMode: false });
      return stream.once('close', () => this.#count(orgId, -1));
    } catch (error) {
      this.#count(orgId, -1);
      throw error;
    }
  }

  async *#events(caller: Caller, first: Look, isOver: () => boolean): AsyncGenerator<string> {
    const tags = new Map<string, string>();
    let look = first;
    let spokeAt = this.clock.monotonic();
    try {
      // At once, or the answer would have no beginning until there is news.
      yield `retry: ${RETRY_MS}\n\n`;
      for (;;) {
        const silent = this.clock.monotonic() - spokeAt >= KEEP_ALIVE_MS ? ': keep-alive\n\n' : '';
        const said = this.#news(look.subjects, tags) || silent;
        if (said !== '') {
          spokeAt = this.clock.monotonic();
          yield said;
        }
        if (isOver()) return yield event('end', { reason: 'over' });
        await this.#sleep();
        look = await this.#look(caller, look);
      }
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

  #count(orgId: string, by: 1 | -1): void {
    const open = (this.#openByOrg.get(orgId) ?? 0) + by;
    if (open > 0) this.#openByOrg.set(orgId, open);
    else this.#openByOrg.delete(orgId);
  }

  async #sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, LOOK_MS);
      this.#sleepers.add(wake);
    });
  }

  #wakeAll(): void {
    for (const wake of this.#sleepers) wake();
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
