import { asDeliveryFailure } from '#egress';
import { type LaneParts, LeasedLane } from '#relay';
import type { Receiver, SinkEvent } from './delivery.ts';
import type { SinkTarget } from './receiver-parts.ts';
import { type Receivers, resendWindow } from './receivers.ts';
import { checkpointEvent, sinkEvent, type SinkFilter } from './sink-events.ts';
import {
  bury,
  type ClaimedSinkLane,
  commitAccepted,
  commitCheckpoint,
  commitDelivered,
  commitReplayed,
  type LaneRow,
  readBatch,
  readCheckpoint,
  readReplay,
  release,
  type SinkLaneNews,
} from './sink-lane.store.ts';

const BATCH = { events: 500, bytes: 512 * 1024 };

/**
 * One log on its way to one sink: in order of position, a batch at a time, nothing passed over that is not put aside
 * as a dead letter.
 */
export class SinkLane extends LeasedLane<SinkLaneNews> {
  readonly #target: SinkTarget;
  readonly #receiver: Receiver;
  readonly #filter: SinkFilter;
  readonly #version: number;
  #delivered: number;
  /** What was delivered and does not count yet: the receiver may turn out not to have taken it. */
  #uncounted = false;
  #checkpoint: number;
  #replayAsked: boolean;

  constructor(claim: ClaimedSinkLane, receivers: Receivers, parts: LaneParts, claimedAt: number) {
    super(claim, parts, claimedAt);
    const [sinkId, logOrgId] = claim.key;
    const { org_id: orgId, kind, settings, format } = claim;
    this.#target = { sinkId, orgId, logOrgId, kind, settings, format };
    this.#filter = claim.filter;
    this.#version = claim.version;
    this.#receiver = receivers.open(this.#target);
    const before = Number(claim.delivered_pos);
    // Whatever a connection that tells nothing may have lost when it ended goes again.
    const window = resendWindow(this.#target);
    this.#delivered = Math.min(before, Math.max(Number(claim.settled_pos), before - window));
    this.#checkpoint = Number(claim.checkpoint_size);
    this.#replayAsked = claim.replay_to !== null;
  }

  protected override judge(news: SinkLaneNews): 'nothing' | 'work' | 'stop' {
    if (!news.enabled || news.forked || news.version !== this.#version) return 'stop';
    this.#replayAsked ||= news.replay_to !== null;
    const more = Number(news.head) > this.#delivered || Number(news.signed) > this.#checkpoint;
    return more || news.replay_to !== null ? 'work' : 'nothing';
  }

  protected override async step(): Promise<boolean> {
    return (await this.#replay()) || (await this.#forward()) || (await this.#publish());
  }

  protected override async giveBack(): Promise<void> {
    if (this.#uncounted) await this.#count();
    const settled = await this.#receiver.close();
    await this.ask((tx) => release(tx, this.hold, settled));
  }

  protected override async drop(): Promise<void> {
    await this.#receiver.close().catch(() => false);
  }

  /** The next batch of what is new. False where there is none, and all before it counts. */
  async #forward(): Promise<boolean> {
    const after = this.#delivered;
    const rows = await this.#read(after, after + this.#batchSize);
    const last = Number(rows.at(-1)?.pos ?? 0);
    if (last === 0 && !this.#uncounted) return false;
    if (last > 0) {
      await this.#sendRows(rows, last, after);
      this.#delivered = last;
      this.#uncounted = true;
    }
    // While there is doubt the next batch goes; after a failure one event goes, and nothing before that counts.
    if (last > 0 && this.#receiver.inDoubt && !this.probing) return true;
    await this.#count();
    return true;
  }

  async #count(): Promise<void> {
    await this.#receiver.certain(this.ending.signal);
    await this.commit((tx) => commitDelivered(tx, this.hold, this.#delivered));
    this.#uncounted = false;
    this.succeeded();
  }

  /** The next batch of what is to be delivered a second time. */
  async #replay(): Promise<boolean> {
    if (!this.#replayAsked) return false;
    const asked = await this.ask((tx) => readReplay(tx, this.hold));
    if (!asked) {
      this.#replayAsked = false;
      return false;
    }
    const after = Number(asked.after);
    const rows = await this.#read(after, Math.min(Number(asked.to), after + this.#batchSize));
    const last = Number(rows.at(-1)?.pos ?? asked.to);
    await this.#sendRows(rows, last, after);
    await this.#receiver.certain(this.ending.signal);
    // Not ours, or another replay was asked for meanwhile: the next look tells which.
    await this.ask((tx) => commitReplayed(tx, this.hold, asked, last));
    this.succeeded();
    return true;
  }

  /** The newest checkpoint of what has gone down: a line of its own. */
  async #publish(): Promise<boolean> {
    const found = await this.ask((tx) =>
      readCheckpoint(tx, this.#target.logOrgId, { over: this.#checkpoint, upTo: this.#delivered }),
    );
    if (!found) return false;
    await this.#send([checkpointEvent(this.#target.logOrgId, found)]);
    await this.#receiver.certain(this.ending.signal);
    const size = Number(found.size);
    await this.commit((tx) => commitCheckpoint(tx, this.hold, size));
    this.#checkpoint = size;
    return true;
  }

  get #batchSize(): number {
    return this.probing ? 1 : BATCH.events;
  }

  #read(after: number, upTo: number): Promise<LaneRow[]> {
    return this.ask((tx) => readBatch(tx, this.#target.logOrgId, { after, upTo, bytes: BATCH.bytes }));
  }

  async #sendRows(rows: readonly LaneRow[], last: number, after: number): Promise<void> {
    for (const gap of gapsIn(rows, after)) await this.#bury(gap.from, gap.to, gap.code);
    const events: SinkEvent[] = [];
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
      return sinkEvent(this.#target.logOrgId, row, this.#target.format, this.#filter);
    } catch {
      return 'unreadable';
    }
  }

  /** Halves what is refused until it is one event, which is put aside. */
  async #send(events: readonly SinkEvent[], upTo?: number): Promise<void> {
    this.requireLease();
    try {
      await this.#receiver.deliver(events, this.ending.signal, () => this.#accepted(upTo));
    } catch (error) {
      this.ending.signal.throwIfAborted();
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
    void this.ask((tx) => commitAccepted(tx, this.hold, upTo)).catch(() => undefined);
  }

  #bury(from: number, to: number, code: string): Promise<void> {
    return this.commit((tx) => bury(tx, this.#target.orgId, this.hold, { from, to, code }));
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
