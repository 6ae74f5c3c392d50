import { Choice, Flag, Slug, Text, Whole } from '#http';

/** What a sink of each kind takes. Whatever is secret stands here only as a reference (`secret://…`). */

export const sinkKinds = ['syslog', 'webhook', 'splunk_hec', 'file'] as const;
export type SinkKind = (typeof sinkKinds)[number];

const PEM = { max: 32_768, optional: true } as const;
const REFERENCE = { max: 500, optional: true } as const;

/** How a kind that goes over a network proves whom it talks to, and who it is. */
export class TlsSettings {
  @Text({ ...PEM, description: 'PEM. Only these authorities are trusted; the public ones where absent.' })
  ca?: string;

  @Text({ ...PEM, description: 'PEM: the certificate (chain) to show, for mutual TLS.' })
  clientCertificate?: string;

  @Text({ ...REFERENCE, description: 'secret://… of the PEM key of `clientCertificate`.' })
  clientKey?: string;

  @Text({
    max: 253,
    optional: true,
    description: 'The name its certificate must bear; the host where absent.',
  })
  serverName?: string;
}

export class SyslogSettings extends TlsSettings {
  @Text({ max: 253, description: 'A name (asked of DNS) or an address.' })
  host: string;

  @Whole({ min: 1, max: 65_535, optional: true, description: '6514 with TLS, 601 without, where absent.' })
  port?: number;

  @Flag({ optional: true, description: 'RFC 5425 where true or absent; else TCP, with the same framing.' })
  tls?: boolean;

  @Whole({ min: 2_048, max: 1_048_576, optional: true, description: 'Octets of a frame; 8192 where absent.' })
  maxFrame?: number;

  @Whole({
    max: 100_000,
    optional: true,
    description: 'Events sent again after a connection did not end in order; 1000 where absent.',
  })
  resendWindow?: number;
}

export class WebhookSettings extends TlsSettings {
  @Text({ max: 2_000, description: 'https://…; http:// only into networks that the operator allows.' })
  url: string;

  @Choice(['ndjson', 'json'], {
    optional: true,
    description: 'A line an event, or one array; ndjson where absent.',
  })
  body?: 'ndjson' | 'json';

  @Text({
    max: 500,
    description: 'secret://… of the key of the signature (Standard Webhooks; whsec_… or any text).',
  })
  hmacKey: string;

  @Text({ ...REFERENCE, description: 'secret://… of a whole Authorization header.' })
  authorization?: string;
}

export class SplunkHecSettings extends TlsSettings {
  @Text({ max: 2_000, description: 'https://host:8088; the paths of the collector are added.' })
  url: string;

  @Text({ max: 500, description: 'secret://… of the token.' })
  token: string;

  @Flag({ optional: true, description: 'Wait for the indexer’s acknowledgement; true where absent.' })
  acknowledge?: boolean;

  @Whole({
    min: 1,
    max: 600,
    optional: true,
    description: 'Seconds until it is sent again; 60 where absent.',
  })
  acknowledgeSeconds?: number;

  @Text({ max: 200, optional: true })
  index?: string;

  @Text({ max: 200, optional: true, description: 'portcullis where absent.' })
  source?: string;

  @Text({ max: 200, optional: true, description: 'portcullis:audit:<format> where absent.' })
  sourcetype?: string;
}

export class FileSettings {
  @Slug({ description: 'The folder below the directory that the operator has configured.' })
  folder: string;

  @Whole({
    min: 4_096,
    max: 1_099_511_627_776,
    optional: true,
    description: 'A file that has this many bytes is put aside; 100 MiB where absent.',
  })
  rotateBytes?: number;

  @Whole({
    min: 1,
    max: 10_000,
    optional: true,
    description: 'Files put aside that are kept; all where absent.',
  })
  keep?: number;
}

export type SettingsOf = {
  readonly syslog: SyslogSettings;
  readonly webhook: WebhookSettings;
  readonly splunk_hec: SplunkHecSettings;
  readonly file: FileSettings;
};

export const settingsClasses: { readonly [K in SinkKind]: new () => SettingsOf[K] } = {
  syslog: SyslogSettings,
  webhook: WebhookSettings,
  splunk_hec: SplunkHecSettings,
  file: FileSettings,
};

/** Fields that hold a reference to a secret, of whatever kind. */
export const secretFields = ['clientKey', 'hmacKey', 'authorization', 'token'] as const;
