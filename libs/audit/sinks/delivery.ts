/**
 * What a kind of sink is to the relay: something that takes a batch and says truly what became of it. Everything
 * else (order, leases, back-off, splitting, dead letters, replay) is the relay's, once for all kinds.
 */

/** One line on its way: an event of the log, or a checkpoint of it (position 0 then). */
export interface SinkEvent {
  readonly org: string;
  readonly pos: number;
  /** The event's own id: the same however often it is delivered. */
  readonly id: string;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly action: string;
  /** As of OCSF: 1 Informational, 2 Low, 3 Medium, 4 High. */
  readonly severity: 1 | 2 | 3 | 4;
  /** Hex. */
  readonly leafHash: string;
  /** The event in the sink's format: one line, without its end. */
  readonly line: string;
  /** Sent by the test button. */
  readonly test?: true;
}

/**
 * What a kind can know of what it has sent. `written`: handed to the connection, for the protocol has no answer.
 * `accepted`: the receiver has said that it took it. `indexed`: the receiver has said that it can be searched.
 */
export type Certainty = 'written' | 'accepted' | 'indexed';

/** An open way to a receiver. It belongs to one lane, and is given one batch after the other. */
export abstract class Receiver {
  /**
   * Resolves when the receiver has the batch, as surely as the kind can tell; rejects with a DeliveryFailure of #relay (or
   * whatever `signal` aborted with). `accepted` is called where the receiver took the batch before it confirmed it.
   */
  abstract deliver(events: readonly SinkEvent[], signal: AbortSignal, accepted: () => void): Promise<void>;

  /**
   * True while what was delivered may still turn out not to have been taken: more may be delivered meanwhile, but
   * none of it counts before `certain`.
   */
  get inDoubt(): boolean {
    return false;
  }

  /** Resolves once all that was delivered counts; rejects as `deliver` does where it does not. */
  async certain(_signal: AbortSignal): Promise<void> {}

  /** Closes in order. True where it is certain by that that all was received; kinds that get answers need no such. */
  abstract close(): Promise<boolean>;
}

/** The limits of a batch. */
export interface BatchLimits {
  readonly events: number;
  readonly bytes: number;
}
