import { Injectable } from '@nestjs/common';
import type { NextMsgRequest, SeqMsgRequest } from '@nats-io/jetstream';
import { readPrivateFile } from '#kernel';
import { DeliveryFailure } from '#egress';
import { EventConfig, type NatsSettings } from './event.config.ts';
import { EventSecrets } from './event-secrets.ts';
import type { OpenStream } from './nats-client.ts';

/** Loaded with the first connection: most deployments make none. */
const library = (): Promise<typeof import('./nats-client.ts')> => import('./nats-client.ts');

/** An event on its way. */
export interface OutgoingEvent {
  readonly orgId: string;
  readonly id: string;
  readonly type: string;
  readonly text: string;
}

/** What JetStream has acknowledged. */
export interface Acknowledged {
  readonly stream: string;
  readonly sequence: number;
  readonly duplicate: boolean;
}

const PREFIX = 'portcullis.events';
const OURS = 'portcullis.';
/** What headers may take of the payload a server allows. */
const HEADER_BYTES = 1_024;

/**
 * A JetStream stream as a destination: one for the deployment, a subject for each organization and type. One
 * connection for all lanes of the process. It is never mended, only made anew: what a client had under way when its
 * connection broke would otherwise be sent later, whoever holds the lane by then.
 */
@Injectable()
export class NatsDestination {
  static readonly destination = 'nats';
  #opening: Promise<OpenStream> | undefined;

  constructor(
    private readonly config: EventConfig,
    private readonly secrets: EventSecrets,
  ) {}

  get isConfigured(): boolean {
    return this.config.nats !== undefined;
  }

  get stream(): string {
    return this.config.nats?.stream ?? '';
  }

  /**
   * What the stream holds of an organization beyond the sequence that was last evidenced: by id, where it stands.
   * That was published by somebody who could not say so any more. A stream that is shorter than what was evidenced
   * is another one, and is looked through from its beginning.
   */
  async storedAfter(orgId: string, evidenced: number): Promise<Map<string, number>> {
    return this.#asking(async ({ manager }, { stream }) => {
      const subject = `${PREFIX}.${orgId}.>`;
      const found = new Map<string, number>();
      const last = await manager.streams.getMessage(stream, { last_by_subj: subject });
      if (!last || last.seq === evidenced) return found;
      for (let at = last.seq < evidenced ? 1 : evidenced + 1; at <= last.seq;) {
        // The server knows this form of the request; the type of the parameter leaves it out.
        const next: SeqMsgRequest & NextMsgRequest = { seq: at, next_by_subj: subject };
        const message = await manager.streams.getMessage(stream, next);
        if (!message) break;
        found.set(message.header.get('Nats-Msg-Id'), message.seq);
        at = message.seq + 1;
      }
      return found;
    });
  }

  /** The sequence of the newest message of an event's subject; 0 where there is none. */
  async lastOf(event: OutgoingEvent): Promise<number> {
    return this.#asking(async ({ manager }, { stream }) => {
      const last = await manager.streams.getMessage(stream, { last_by_subj: subjectOf(event) });
      return last?.seq ?? 0;
    });
  }

  /**
   * Publishes. The server takes it only while `last` is the newest of its subject, so what a process sends that was
   * stopped for however long is not stored a second time, nor out of order.
   */
  async publish(event: OutgoingEvent, last: number): Promise<Acknowledged> {
    return this.#asking(async ({ connection, stream }, settings) => {
      const most = (connection.info?.max_payload ?? Infinity) - HEADER_BYTES;
      if (Buffer.byteLength(event.text) > most) throw new DeliveryFailure('too_large', { refused: true });
      const { seq, duplicate, ...ack } = await stream.publish(subjectOf(event), event.text, {
        msgID: event.id,
        timeout: this.config.timing.answerMs,
        expect: { streamName: settings.stream, lastSubjectSequence: last },
      });
      return { stream: ack.stream, sequence: seq, duplicate };
    });
  }

  async close(): Promise<void> {
    const open = await this.#opening?.catch(() => undefined);
    this.#opening = undefined;
    await open?.connection.close().catch(() => undefined);
  }

  async #asking<T>(work: (open: OpenStream, settings: NatsSettings) => Promise<T>): Promise<T> {
    const settings = this.config.nats;
    if (!settings) throw new DeliveryFailure('not_configured');
    const opening = (this.#opening ??= this.#open(settings));
    try {
      return await work(await opening, settings);
    } catch (error) {
      const failure = (await library()).failureOf(error);
      // Whatever was no answer to the message itself: the next one begins with a new connection.
      if (!failure.refused && failure.code !== 'subject_moved') await this.#forget(opening);
      throw failure;
    }
  }

  async #forget(opening: Promise<OpenStream>): Promise<void> {
    if (this.#opening === opening) this.#opening = undefined;
    const open = await opening.catch(() => undefined);
    await open?.connection.close().catch(() => undefined);
  }

  async #open(settings: NatsSettings): Promise<OpenStream> {
    const { openStream } = await library();
    const credentials = settings.credentials && (await this.#credentials(settings.credentials));
    const timeout = this.config.timing.answerMs;
    return openStream(settings, { subjects: `${PREFIX}.>`, credentials, timeout });
  }

  async #credentials(at: string): Promise<string> {
    try {
      const text = at.startsWith('secret://')
        ? (await this.secrets.resolve(at, 'events:nats')).reveal()
        : readPrivateFile(at).toString();
      return text.trim();
    } catch (error) {
      throw new DeliveryFailure('secret_unavailable', { cause: error });
    }
  }
}

/** `portcullis.events.<organization>.<type>`, the type without the prefix that all have. */
export function subjectOf({ orgId, type }: Pick<OutgoingEvent, 'orgId' | 'type'>): string {
  return `${PREFIX}.${orgId}.${type.startsWith(OURS) ? type.slice(OURS.length) : type}`;
}
