import { type RelayTiming, relayTiming } from '#relay';

/** A NATS server with JetStream, and how to be let in there. */
export interface NatsSettings {
  /** nats:// or tls://; TLS is required by tls://. A name may have several addresses. */
  readonly url: string;
  readonly stream: string;
  /** Copies that the servers keep, where the stream is made. */
  readonly replicas: number;
  /** Seconds in which the server itself knows an id again, where the stream is made. */
  readonly duplicateWindowSeconds?: number;
  /** `secret://…`, or a file: .creds, a seed of an nkey, user:password, or a token. */
  readonly credentials?: string | undefined;
  /** PEM. */
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

export const KEEP_DAYS = 90;

/** What the room takes from the configuration. */
export class EventConfig {
  constructor(
    /** Undefined where events go nowhere else: they can be read all the same. */
    readonly nats?: NatsSettings,
    /** How long events and the evidence of their publications are kept. */
    readonly keepDays: number = KEEP_DAYS,
    readonly timing: RelayTiming = relayTiming,
  ) {}
}
