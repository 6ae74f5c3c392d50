import {
  JetStreamApiError,
  jetstream,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
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
import { DeliveryFailure } from '#egress';
import type { NatsSettings } from './event.config.ts';

/** What needs the library of NATS, which is loaded with the first connection: most deployments make none. */

const DUPLICATE_WINDOW_S = 120;
const STREAM_MISSING = 10_059;
const WRONG_LAST_SEQUENCE = 10_071;
const STREAM_EXISTS = 10_058;
const MESSAGE_TOO_LARGE = 10_054;

export interface OpenStream {
  readonly connection: NatsConnection;
  readonly stream: JetStreamClient;
  readonly manager: JetStreamManager;
}

export interface OpenOptions {
  /** What the stream takes, where it is made. */
  readonly subjects: string;
  /** Their text. */
  readonly credentials: string | undefined;
  /** Milliseconds for each answer. */
  readonly timeout: number;
}

/** Connects, and makes the stream where it is not there. */
export async function openStream(
  settings: NatsSettings,
  { subjects, credentials, timeout }: OpenOptions,
): Promise<OpenStream> {
  const connection = await connect({
    servers: settings.url,
    name: 'portcullis',
    timeout,
    reconnect: false,
    ...(credentials !== undefined && { authenticator: authenticatorOf(credentials) }),
    ...((settings.url.startsWith('tls:') || settings.ca) && {
      tls: { ca: settings.ca, cert: settings.certificate, key: settings.key },
    }),
  });
  try {
    const manager = await jetstreamManager(connection, { timeout });
    await ensureStream(manager, subjects, settings);
    return { connection, manager, stream: jetstream(connection, { timeout }) };
  } catch (error) {
    await connection.close().catch(() => undefined);
    throw error;
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
  subjects: string,
  { stream, replicas, duplicateWindowSeconds = DUPLICATE_WINDOW_S }: NatsSettings,
): Promise<void> {
  try {
    await manager.streams.info(stream);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_MISSING) throw error;
    const made = manager.streams.add({
      name: stream,
      subjects: [subjects],
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

export function failureOf(error: unknown): DeliveryFailure {
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
