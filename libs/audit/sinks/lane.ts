import type { Database, SystemTx } from '#database';
import type { Clock } from '#kernel';
import { waitAfter } from './back-off.ts';
import { asDeliveryFailure, DeliveryFailure, type Receiver, type SinkEvent } from './delivery.ts';
import {
  bury,
  type ClaimedLane,
  commitAccepted,
  commitCheckpoint,
  commitDelivered,
  commitReplayed,
  type Hold,
  type LaneNews,
  type LaneRow,
  readBatch,
  readCheckpoint,
  readReplay,
  release,
  releaseFailed,
} from './lane.store.ts';
import type { SinkTarget } from './receiver-parts.ts';
import { type Receivers, resendWindow } from './receivers.ts';
import type { RelayTiming } from './sink.config.ts';
import { checkpointEvent, sinkEvent, type SinkFilter } from './sink-events.ts';
import type { Turns } from './turns.ts';

const BATCH = { events: 500, bytes: 512 * 1024 };

/** The lane is another worker's by now, or may be: whatever is under way here counts for nothing. */
class LeaseLost extends Error {}

/** What lanes share. */
export interface LaneParts {
  readonly database: Database;
  readonly receivers: Receivers;
  readonly clock: Clock;
  readonly timing: RelayTiming;
  /** Bounds how much of the database's pool all lanes together take. */
  readonly turns: Turns;
  readonly owner: string;
}

/**
 * One log on its way to one sink, while this worker holds the lease: in order of position, a batch at a time, nothing
 * passed over that is not put aside as a dead letter.
 */
export class Lane {
  readonly #abort = new AbortController();
  readonly hold: Hold;
  readonly #target: SinkTarget;
  readonly #receiver: Receiver;
  readonly #filter: SinkFilter;
  readonly #opensAt: number;
  #leaseEnds: number;
  #stopping = false;
  #wake = (): void => undefined;
  #delivered: number;
  #checkpoint: number;
  #news = true;
  #probing: boolean;
  #failures: number;
  #replayAsked: boolean;
  /** Since when there is nothing to do; undefined while there is. */
  idleSince: number | undefined;

  constructor(
    private readonly claim: ClaimedLane,
    private readonly parts: LaneParts,
    claimedAt: number,
  ) {
    this.hold = {
      sinkId: claim.sink_id,
      logOrgId: claim.log_org_id,
      owner: parts.owner,
      fence: claim.fence,
    };
    this.#target = {
      sinkId: claim.sink_id,
      orgId: claim.org_id,
      logOrgId: claim.log_org_id,
      kind: claim.kind,
      settings: claim.settings,
      format: claim.format,
    };
    this.#filter = claim.filter;
    this.#receiver = parts.receivers.open(this.#target);
    const before = Number(claim.delivered_pos);
    // Whatever a connection that tells nothing may have lost when it ended goes again.
    const window = resendWindow(this.#target);
    this.#delivered = Math.min(before, Math.max(Number(claim.settled_pos), before - window));
    this.#checkpoint = Number(claim.checkpoint_size);
    this.#failures = claim.failures;
    this.#replayAsked = claim.replay_to !== null;
    this.#probing = claim.breaker !== 'closed';
    this.#opensAt = parts.clock.monotonic();
    this.#leaseEnds = claimedAt + parts.timing.leaseMs;
  }

  get key(): string {
    return laneKey(this.claim);
  }

  /** What the last look has found; `askedAt` is when it began, so that the lease is never taken for longer. */
  hear(news: LaneNews, askedAt: number): void {
    this.#leaseEnds = Math.max(this.#leaseEnds, askedAt + 0.6 * this.parts.timing.leaseMs);
    if (!news.enabled || news.forked || news.version !== this.claim.version) return this.stop();
    const more = Number(news.head) > this.#delivered || Number(news.signed) > this.#checkpoint;
    if (!more && news.replay_to === null) return;
    this.#replayAsked ||= news.replay_to !== null;
    this.#news = true;
    this.#wake();
  }

  /** Ends after the batch that is under way, and closes in order. */
  stop(): void {
    this.#stopping = true;
    this.#wake();
  }

  /** Ends at once: for a lease that is lost. */
  abort(): void {
    this.#abort.abort(new LeaseLost());
    this.stop();
  }

  get leaseIsOver(): boolean {
    return this.parts.clock.monotonic() >= this.#leaseEnds;
  }

  /** Resolves when the lane is given back, or lost. Rejects where the database does not answer. */
  async run(): Promise<void> {
    try {
      await this.#work();
      const settled = await this.#receiver.close();
      await this.#ask((tx) => release(tx, this.hold, settled));
    } catch (error) {
      await this.#receiver.close().catch(() => false);
      if (error instanceof LeaseLost || this.#abort.signal.aborted) return;
      if (!(error instanceof DeliveryFailure)) throw error;
      await this.#giveUp(error);
    }
  }

  async #work(): Promise<void> {
    const { clock, timing } = this.parts;
    while (!this.#stopping && clock.monotonic() - this.#opensAt < timing.longestRunMs) {
      this.#news = false;
      this.idleSince = undefined;
      const worked = (await this.#replay()) || (await this.#forward()) || (await this.#publish());
      if (worked || this.#news || this.#stopping) continue;
      this.idleSince = clock.monotonic();
      await this.#sleep(timing.longestRunMs);
    }
  }

  /** The next batch of what is new. False where there is none. */
  async #forward(): Promise<boolean> {
    const after = this.#delivered;
    const rows = await this.#read(after, after + this.#batchSize);
    const last = Number(rows.at(-1)?.pos ?? 0);
    if (last === 0) return false;
    await this.#sendRows(rows, last, after);
    await this.#commit((tx) => commitDelivered(tx, this.hold, last));
    this.#delivered = last;
    this.#succeeded();
    return true;
  }

  /** The next batch of what is to be delivered a second time. */
  async #replay(): Promise<boolean> {
    if (!this.#replayAsked) return false;
    const asked = await this.#ask((tx) => readReplay(tx, this.hold));
    if (!asked) {
      this.#replayAsked = false;
      return false;
    }
    const after = Number(asked.after);
    const rows = await this.#read(after, Math.min(Number(asked.to), after + this.#batchSize));
    const last = Number(rows.at(-1)?.pos ?? asked.to);
    await this.#sendRows(rows, last, after);
    // Not ours, or another replay was asked for meanwhile: the next look tells which.
    await this.#ask((tx) => commitReplayed(tx, this.hold, asked, last));
    this.#succeeded();
    return true;
  }

  /** The newest checkpoint of what has gone down: a line of its own. */
  async #publish(): Promise<boolean> {
    const found = await this.#ask((tx) =>
      readCheckpoint(tx, this.hold.logOrgId, { over: this.#checkpoint, upTo: this.#delivered }),
    );
    if (!found) return false;
    await this.#send([checkpointEvent(this.hold.logOrgId, found)]);
    const size = Number(found.size);
    await this.#commit((tx) => commitCheckpoint(tx, this.hold, size));
    this.#checkpoint = size;
    return true;
  }

  #succeeded(): void {
    this.#probing = false;
    this.#failures = 0;
  }

  get #batchSize(): number {
    return this.#probing ? 1 : BATCH.events;
  }

  #read(after: number, upTo: number): Promise<LaneRow[]> {
    return this.#ask((tx) => readBatch(tx, this.hold.logOrgId, { after, upTo, bytes: BATCH.bytes }));
  }

  async #sendRows(rows: readonly LaneRow[], last: number, after: number): Promise<void> {
    const events: SinkEvent[] = [];
    for (const gap of gapsIn(rows, after)) await this.#bury(gap.from, gap.to, gap.code);
    for (const row of rows) {
      if (row.leaf === null) continue;
      const event = this.#eventOf({ ...row, leaf: row.leaf });
      // Somebody has changed it by hand: the log's verification tells of it, and what follows must not wait for that.
      if (event === 'unreadable') await this.#bury(Number(row.pos), Number(row.pos), event);
      else if (event) events.push(event);
    }
    if (events.length > 0) await this.#send(events, last);
  }

  #eventOf(row: LaneRow & { leaf: string }): SinkEvent | 'unreadable' | undefined {
    try {
      return sinkEvent(this.hold.logOrgId, row, this.#target.format, this.#filter);
    } catch {
      return 'unreadable';
    }
  }

  /** Halves what is refused until it is one event, which is put aside. */
  async #send(events: readonly SinkEvent[], upTo?: number): Promise<void> {
    if (this.leaseIsOver) throw new LeaseLost();
    try {
      await this.#receiver.deliver(events, this.#abort.signal, () => this.#accepted(upTo));
    } catch (error) {
      this.#abort.signal.throwIfAborted();
      const failure = asDeliveryFailure(error);
      if (!failure.refused) throw failure;
      const [first] = events;
      if (events.length === 1 && first) {
        if (first.pos > 0) await this.#bury(first.pos, first.pos, failure.code);
        return;
      }
      const half = Math.ceil(events.length / 2);
      await this.#send(events.slice(0, half));
      await this.#send(events.slice(half));
    }
  }

  #accepted(upTo: number | undefined): void {
    if (upTo === undefined) return;
    // Only told; what counts is the confirmation.
    void this.#ask((tx) => commitAccepted(tx, this.hold, upTo)).catch(() => undefined);
  }

  #bury(from: number, to: number, code: string): Promise<void> {
    return this.#commit((tx) => bury(tx, this.#target.orgId, this.hold, { from, to, code }));
  }

  async #commit(work: (tx: SystemTx) => Promise<boolean>): Promise<void> {
    if (!(await this.#ask(work))) throw new LeaseLost();
  }

  #ask<T>(work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.parts.turns.take(() => this.parts.database.acrossOrgs('audit_sinks', work));
  }

  async #giveUp({ code, retryAfter }: DeliveryFailure): Promise<void> {
    const { backOff } = this.parts.timing;
    const failures = this.#failures + 1;
    const waitMs = waitAfter(failures, retryAfter, backOff);
    const breaker = failures >= backOff.breakAfter ? 'open' : 'closed';
    await this.#ask((tx) => releaseFailed(tx, this.hold, { code, breaker, waitMs }));
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#news || this.#stopping) this.#wake();
    });
  }
}

/** What of the positions after `after` up to the last of the rows cannot be sent, neighbours together. */
function gapsIn(
  rows: readonly LaneRow[],
  after: number,
): { from: number; to: number; code: 'not_in_log' | 'pruned' }[] {
  const gaps: ReturnType<typeof gapsIn> = [];
  let expected = after + 1;
  for (const row of rows) {
    const pos = Number(row.pos);
    if (pos > expected) gaps.push({ from: expected, to: pos - 1, code: 'not_in_log' });
    expected = pos + 1;
    if (row.leaf !== null) continue;
    const last = gaps.at(-1);
    if (last?.code === 'pruned' && last.to === pos - 1) last.to = pos;
    else gaps.push({ from: pos, to: pos, code: 'pruned' });
  }
  return gaps;
}

export function laneKey({ sink_id, log_org_id }: { sink_id: string; log_org_id: string }): string {
  return `${sink_id}|${log_org_id}`;
}
