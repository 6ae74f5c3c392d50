import { readFileSync } from 'node:fs';
import { ConfigError, readPrivateFile, type Setting, setting, type Values } from '#kernel';
import { EventConfig, KEEP_DAYS, type NatsSettings } from './event.config.ts';

const streamName: Setting<string> = {
  variable: 'PORTCULLIS_NATS_STREAM',
  description: 'The JetStream stream that events go to; it is made where it is not there.',
  read: (text = '') => {
    if (text === '') return 'PORTCULLIS';
    if (!/^[A-Za-z0-9_-]{1,32}$/.test(text)) {
      throw new Error('must have 1 to 32 letters, digits, hyphens or underscores');
    }
    return text;
  },
};

/** What the room reads from the environment. */
export const eventSettings = {
  eventsKeepDays: setting.integer(
    'PORTCULLIS_EVENTS_KEEP_DAYS',
    'How many days events and the evidence of their publications are kept.',
    { min: 1, max: 3_650, fallback: KEEP_DAYS },
  ),
  natsUrl: setting.url('PORTCULLIS_NATS_URL', 'A NATS server with JetStream that events are published to.', [
    'nats:',
    'tls:',
  ]),
  natsStream: streamName,
  natsReplicas: setting.integer(
    'PORTCULLIS_NATS_REPLICAS',
    'Copies of the stream that the NATS servers keep, where it is made.',
    { min: 1, max: 5, fallback: 1 },
  ),
  natsCredentials: setting.text(
    'PORTCULLIS_NATS_CREDENTIALS',
    'Who the product is to NATS: a secret:// reference of the platform organization, or a file (mode 0600) with .creds, the seed of an nkey, user:password, or a token.',
  ),
  natsCaFile: setting.text('PORTCULLIS_NATS_CA_FILE', 'PEM: only these authorities are trusted for NATS.'),
  natsCertFile: setting.text('PORTCULLIS_NATS_CERT_FILE', 'PEM: the certificate shown to NATS.'),
  natsKeyFile: setting.text('PORTCULLIS_NATS_KEY_FILE', 'PEM: its key (mode 0600).'),
} as const;

/** Throws a ConfigError where the settings do not fit together. */
export function eventConfig(values: Values<typeof eventSettings>): EventConfig {
  return new EventConfig(natsOf(values), values.eventsKeepDays);
}

function natsOf(values: Values<typeof eventSettings>): NatsSettings | undefined {
  const { natsUrl: url, natsCredentials: credentials, natsCertFile, natsKeyFile, natsCaFile } = values;
  if (url === undefined) {
    if (credentials ?? natsCertFile ?? natsKeyFile ?? natsCaFile) {
      throw new ConfigError(['PORTCULLIS_NATS_URL is missing where other PORTCULLIS_NATS_ settings are set']);
    }
    return undefined;
  }
  const { protocol, hostname, username } = new URL(url);
  if (username !== '') {
    throw new ConfigError(['PORTCULLIS_NATS_URL must hold no credentials: use PORTCULLIS_NATS_CREDENTIALS']);
  }
  if (protocol === 'nats:' && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) {
    throw new ConfigError(['PORTCULLIS_NATS_URL must begin with tls:// unless the server is on loopback']);
  }
  if ((natsCertFile === undefined) !== (natsKeyFile === undefined)) {
    throw new ConfigError(['PORTCULLIS_NATS_CERT_FILE and PORTCULLIS_NATS_KEY_FILE go together']);
  }
  return {
    url,
    stream: values.natsStream,
    replicas: values.natsReplicas,
    credentials,
    ca: natsCaFile && readFileSync(natsCaFile, 'utf8'),
    certificate: natsCertFile && readFileSync(natsCertFile, 'utf8'),
    key: natsKeyFile && readPrivateFile(natsKeyFile).toString(),
  };
}
