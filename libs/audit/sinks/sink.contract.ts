import { Anything, Choice, Flag, Id, ListOf, Nested, Text, Time, Whole } from '#http';
import { exportFormats, type ExportFormat } from '../formats/format.ts';
import { sinkKinds, type SinkKind } from './sink.settings.ts';

export class SinkFilterRequest {
  @ListOf('text', {
    optional: true,
    min: 1,
    itemMax: 60,
    description: 'Actions, or auth.* for all of a kind.',
  })
  actions?: string[];

  @ListOf(['success', 'denied', 'failure'], { optional: true, min: 1, max: 3 })
  outcomes?: string[];

  @Whole({ min: 1, max: 4, optional: true, description: 'As of OCSF: 1 Informational to 4 High.' })
  minSeverity?: number;
}

const SETTINGS = {
  maxBytes: 128 * 1024,
  description:
    'By kind. syslog: host, port, tls, ca, clientCertificate, clientKey, serverName, maxFrame, resendWindow. webhook: url, body, hmacKey, authorization and those of TLS. splunk_hec: url, token, acknowledge, acknowledgeSeconds, index, source, sourcetype and those of TLS. file: folder, rotateBytes, keep. hmacKey, authorization, token and clientKey are references (secret://…), never secrets.',
};

export class CreateSinkRequest {
  @Text({ max: 100 })
  name: string;

  @Choice(sinkKinds)
  kind: SinkKind;

  @Anything(SETTINGS)
  settings: object;

  @Choice(exportFormats, {
    optional: true,
    description: 'native where absent: the only one that proves itself alone.',
  })
  format?: ExportFormat;

  @Nested(() => SinkFilterRequest, { optional: true, description: 'Which events; all where absent.' })
  filter?: SinkFilterRequest;

  @Flag({ optional: true })
  enabled?: boolean;

  @Whole({ optional: true, description: 'Begin after this position; 0 (the whole log) where absent.' })
  after?: number;

  @Flag({ optional: true, description: 'The logs of all organizations; only in the platform organization.' })
  allOrganizations?: boolean;
}

export class UpdateSinkRequest {
  @Text({ max: 100, optional: true })
  name?: string;

  @Anything({ ...SETTINGS, optional: true, description: 'All of them: what is left out is gone.' })
  settings?: object;

  @Choice(exportFormats, { optional: true })
  format?: ExportFormat;

  @Nested(() => SinkFilterRequest, { optional: true })
  filter?: SinkFilterRequest;

  @Flag({ optional: true })
  enabled?: boolean;
}

export class ReplayRequest {
  @Whole({ min: 1, description: 'The first position to deliver again.' })
  from: number;

  @Whole({ min: 1, optional: true, description: 'The last; all that was delivered where absent.' })
  to?: number;
}

export class SinkErrorView {
  @Text({ description: 'timeout, connection_lost, http_503, target_denied, secret_unavailable, …' })
  code: string;

  @Time()
  at: string;
}

export class DeliveryView {
  @Whole({ optional: true, description: 'Handed to the connection up to here: the protocol has no answer.' })
  writtenPos?: number;

  @Whole({ optional: true, description: 'The receiver has said that it took everything up to here.' })
  acceptedPos?: number;

  @Whole({ optional: true, description: 'The receiver has said that everything up to here is indexed.' })
  indexedPos?: number;

  @Whole({
    description: 'The size of the log. Of all logs together where the sink takes several, as the rest.',
  })
  headPos: number;

  @Whole({ description: 'Events of the log that are not there yet.' })
  lag: number;

  @Choice(['closed', 'open', 'half_open'], { description: 'open: failing, tried now and then.' })
  breaker: string;

  @Whole({ description: 'Failures in a row.' })
  failures: number;

  @Whole({ description: 'Events that the receiver refused for good; a replay tries them again.' })
  deadLetters: number;

  @Flag({ description: 'A replay is under way.' })
  replaying: boolean;

  @Time({ optional: true })
  deliveredAt?: string;

  @Time({ optional: true, description: 'When it is tried again.' })
  retryAt?: string;

  @Nested(() => SinkErrorView, { optional: true })
  lastError?: SinkErrorView;
}

export class DeadLetterView {
  @Id({ description: 'Whose log.' })
  organizationId: string;

  @Whole()
  from: number;

  @Whole()
  to: number;

  @Text()
  code: string;

  @Whole()
  attempts: number;

  @Time()
  at: string;
}

export class SinkView {
  @Id()
  id: string;

  @Text()
  name: string;

  @Choice(sinkKinds)
  kind: SinkKind;

  @Anything(SETTINGS)
  settings: object;

  @Choice(exportFormats)
  format: ExportFormat;

  @Nested(() => SinkFilterRequest)
  filter: SinkFilterRequest;

  @Flag()
  enabled: boolean;

  @Flag()
  allOrganizations: boolean;

  @Text()
  createdBy: string;

  @Time()
  createdAt: string;

  @Nested(() => DeliveryView)
  delivery: DeliveryView;
}

export class SinkDetailView extends SinkView {
  @ListOf(() => DeadLetterView, { max: 100, description: 'The first hundred ranges.' })
  deadLetters: DeadLetterView[];
}

export class SinkList {
  @ListOf(() => SinkView)
  items: SinkView[];
}

export class SinkTestView {
  @Flag({ description: 'Whether the receiver has it, as surely as `certainty` says.' })
  delivered: boolean;

  @Choice(['written', 'accepted', 'indexed'])
  certainty: string;

  @Text({ optional: true, description: 'Why not.' })
  code?: string;

  @Whole({ description: 'The position of the record that was sent.' })
  pos: number;

  @Whole()
  milliseconds: number;
}
