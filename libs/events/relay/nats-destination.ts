import { Injectable } from '@nestjs/common';
import {
  JetStreamApiError,
  jetstream,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  type NextMsgRequest,
  RetentionPolicy,
  type SeqMsgRequest,
  StorageType,
} from '@nats-io/jetstream';
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { readPrivateFile } from '#kernel';
import { DeliveryFailure } from '#egress';
import { EventConfig, type NatsSettings } from './event.config.ts';
import { EventSecrets } from './event-secrets.ts';

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
const DUPLICATE_WINDOW_S = 120;
/** What headers may take of the payload a server allows. */
const HEADER_BYTES = 1_024;
const STREAM_MISSING = 10_059;
const WRONG_LAST_SEQUENCE = 10_071;
const STREAM_EXISTS = 10_058;
const MESSAGE_TOO_LARGE = 10_054;

interface Open {
  readonly connection: NatsConnection;
  readonly stream: JetStreamClient;
  readonly manager: JetStreamManager;
}

/**
 * A JetStream stream as a destination: one for the deployment, a subject for each organization and type. One
 * connection for all lanes of the process. It is never mended, only made anew: what a client had under way when its
 * connection broke would otherwise be sent later, whoever holds the lane by then.
 */
@Injectable()
export class NatsDestination {
  static readonly destination = 'nats';
  #opening: Promise<Open> | undefined;

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

  async #asking<T>(work: (open: Open, settings: NatsSettings) => Promise<T>): Promise<T> {
    const settings = this.config.nats;
    if (!settings) throw new DeliveryFailure('not_configured');
    const opening = (this.#opening ??= this.#open(settings));
    try {
      return await work(await opening, settings);
    } catch (error) {
      const failure = failureOf(error);
      // Whatever was no answer to the message itself: the next one begins with a new connection.
      if (!failure.refused && failure.code !== 'subject_moved') await this.#forget(opening);
      throw failure;
    }
  }

  async #forget(opening: Promise<Open>): Promise<void> {
    if (this.#opening === opening) this.#opening = undefined;
    const open = await opening.catch(() => undefined);
    await open?.connection.close().catch(() => undefined);
  }

  async #open(settings: NatsSettings): Promise<Open> {
    const timeout = this.config.timing.answerMs;
    const connection = await connect({
      servers: settings.url,
      name: 'portcullis',
      timeout,
      reconnect: false,
      ...(settings.credentials && { authenticator: await this.#authenticator(settings.credentials) }),
      ...((settings.url.startsWith('tls:') || settings.ca) && {
        tls: { ca: settings.ca, cert: settings.certificate, key: settings.key },
      }),
    });
    try {
      const manager = await jetstreamManager(connection, { timeout });
      await ensureStream(manager, settings);
      return { connection, manager, stream: jetstream(connection, { timeout }) };
    } catch (error) {
      await connection.close().catch(() => undefined);
      throw error;
    }
  }

  async #authenticator(credentials: string): Promise<Authenticator> {
    try {
      const text = credentials.startsWith('secret://')
        ? (await this.secrets.resolve(credentials, 'events:nats')).reveal()
        : readPrivateFile(credentials).toString();
      return authenticatorOf(text.trim());
    } catch (error) {
      throw new DeliveryFailure('secret_unavailable', { cause: error });
    }
  }
}

function authenticatorOf(text: string): Authenticator {
  const bytes = new TextEncoder().encode(text);
  if (text.includes('BEGIN NATS USER JWT')) return credsAuthenticator(bytes);
  if (/^SU[A-Z2-7]{56}$/.test(text)) return nkeyAuthenticator(bytes);
  const colon = text.indexOf(':');
  return colon < 0
    ? tokenAuthenticator(text)
    : usernamePasswordAuthenticator(text.slice(0, colon), text.slice(colon + 1));
}

/** Makes the stream where it is not there. One that an operator has made stays as it is. */
async function ensureStream(
  manager: JetStreamManager,
  { stream, replicas, duplicateWindowSeconds = DUPLICATE_WINDOW_S }: NatsSettings,
): Promise<void> {
  try {
    await manager.streams.info(stream);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_MISSING) throw error;
    const made = manager.streams.add({
      name: stream,
      subjects: [`${PREFIX}.>`],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      num_replicas: replicas,
      duplicate_window: duplicateWindowSeconds * 1e9,
    });
    await made.catch((failed: unknown) => {
      if (!(failed instanceof JetStreamApiError) || failed.code !== STREAM_EXISTS) throw failed;
    });
  }
}

/** `portcullis.events.<organization>.<type>`, the type without the prefix that all have. */
export function subjectOf({ orgId, type }: Pick<OutgoingEvent, 'orgId' | 'type'>): string {
  return `${PREFIX}.${orgId}.${type.startsWith(OURS) ? type.slice(OURS.length) : type}`;
}

function failureOf(error: unknown): DeliveryFailure {
  if (error instanceof DeliveryFailure) return error;
  const [code, refused = false] = codeOf(error);
  return new DeliveryFailure(code, { refused, cause: error });
}

function codeOf(error: unknown): [code: string, refused?: boolean] {
  if (error instanceof JetStreamApiError) {
    if (error.code === WRONG_LAST_SEQUENCE) return ['subject_moved'];
    if (error.code === MESSAGE_TOO_LARGE) return ['too_large', true];
    return [`nats_${error.code}`];
  }
  if (error instanceof errors.TimeoutError) return ['timeout'];
  if (error instanceof errors.AuthorizationError) return ['unauthorized'];
  if (error instanceof errors.PermissionViolationError) return ['forbidden'];
  return ['connection_lost'];
}
