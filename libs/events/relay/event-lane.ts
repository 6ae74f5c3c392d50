import { asDeliveryFailure } from '#egress';
import { type LaneParts, LeasedLane } from '#relay';
import { eventText, payloadDigest } from '../event.ts';
import {
  type ClaimedEventLane,
  commitPublished,
  commitRefused,
  commitRetried,
  type EventLaneNews,
  type LaneEvent,
  type Publication,
  readBatch,
  readRetry,
  release,
} from './event-lane.store.ts';
import {
  type Acknowledged,
  type NatsDestination,
  type OutgoingEvent,
  subjectOf,
} from './nats-destination.ts';

/** Events whose acknowledgements are written together; what is not written by a crash is found in the stream. */
const BATCH = 100;

/**
 * One organization's events on their way to a destination, in order: the next is sent when the one before was
 * acknowledged. Each acknowledgement is evidenced. What a holder before had published and could not evidence is
 * found in the stream and evidenced as a duplicate, however long ago that was.
 */
export class EventLane extends LeasedLane<EventLaneNews> {
  readonly #orgId: string;
  #delivered: number;
  readonly #evidenced: number;
  /** By id: what the stream had beyond the evidence when this lane began. */
  #stored: Map<string, number> | undefined;
  /** By subject: the sequence of its newest message. */
  readonly #last = new Map<string, number>();
  #retryAsked = true;

  constructor(
    claim: ClaimedEventLane,
    private readonly destination: NatsDestination,
    parts: LaneParts,
    claimedAt: number,
  ) {
    super(claim, parts, claimedAt);
    this.#orgId = claim.key[0];
    this.#delivered = Number(claim.delivered_pos);
    this.#evidenced = Number(claim.delivered_sequence);
  }

  protected override judge(news: EventLaneNews): 'nothing' | 'work' {
    this.#retryAsked ||= news.retrying;
    return news.retrying || Number(news.head) > this.#delivered ? 'work' : 'nothing';
  }

  protected override async step(): Promise<boolean> {
    return (await this.#retry()) || this.#forward();
  }

  protected override async giveBack(): Promise<void> {
    await this.ask((tx) => release(tx, this.hold));
  }

  protected override async drop(): Promise<void> {
    // The connection is the process's, not the lane's.
  }

  /** The next batch of what is new. What was acknowledged is evidenced, also where a later event fails. */
  async #forward(): Promise<boolean> {
    const limit = this.probing ? 1 : BATCH;
    const rows = await this.ask((tx) => readBatch(tx, this.#orgId, { after: this.#delivered, limit }));
    if (rows.length === 0) return false;
    const publications: Publication[] = [];
    for (const row of rows) {
      try {
        publications.push(await this.#publish(row, 1));
      } catch (error) {
        await this.#evidence(publications);
        const failure = asDeliveryFailure(error);
        this.ending.signal.throwIfAborted();
        if (!failure.refused) throw error;
        await this.#putAside(row, failure.code);
        return true;
      }
    }
    await this.#evidence(publications);
    return true;
  }

  async #evidence(publications: readonly Publication[]): Promise<void> {
    const newest = publications.at(-1);
    if (!newest) return;
    const pos = Number(newest.pos);
    await this.commit((tx) => commitPublished(tx, this.hold, { pos, publications }));
    this.#delivered = pos;
    this.succeeded();
  }

  async #putAside(row: LaneEvent, code: string): Promise<void> {
    const pos = Number(row.pos);
    const refused = { ...row, code };
    await this.commit((tx) => commitPublished(tx, this.hold, { pos, publications: [], refused }));
    this.#delivered = pos;
    this.succeeded();
  }

  /** One dead letter that somebody asked to be tried again: under its own id, after what came later. */
  async #retry(): Promise<boolean> {
    if (!this.#retryAsked) return false;
    const letter = await this.ask((tx) => readRetry(tx, this.hold));
    if (!letter) {
      this.#retryAsked = false;
      return false;
    }
    try {
      const publication = await this.#publish(letter, letter.attempts + 1);
      await this.commit((tx) => commitRetried(tx, this.hold, publication));
    } catch (error) {
      const { refused, code } = asDeliveryFailure(error);
      if (!refused) throw error;
      await this.commit((tx) => commitRefused(tx, this.hold, { ...letter, code }));
    }
    this.succeeded();
    return true;
  }

  async #publish(row: LaneEvent, attempt: number): Promise<Publication> {
    const event = { orgId: this.#orgId, id: row.id, type: row.type, text: eventText(row) };
    const ack = await this.#acknowledged(event);
    return { pos: row.pos, eventId: row.id, attempt, ...ack, payloadSha256: payloadDigest(event.text) };
  }

  async #acknowledged(event: OutgoingEvent): Promise<Acknowledged> {
    this.requireLease();
    this.#stored ??= await this.destination.storedAfter(this.#orgId, this.#evidenced);
    const there = this.#stored.get(event.id);
    if (there !== undefined) return { stream: this.destination.stream, sequence: there, duplicate: true };
    const subject = subjectOf(event);
    const last = this.#last.get(subject) ?? (await this.destination.lastOf(event));
    this.requireLease();
    const ack = await this.destination.publish(event, last);
    this.#last.set(subject, Math.max(last, ack.sequence));
    return ack;
  }
}
