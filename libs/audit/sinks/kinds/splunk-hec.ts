import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeliveryFailure, failureOf, type HttpAnswer, OutboundHttp } from '#egress';
import { Receiver, type SinkEvent } from '../delivery.ts';
import type { ReceiverParts } from '../receiver-parts.ts';

const ACKNOWLEDGE_SECONDS = 60;
const POLL_MS = 250;
const LONGEST_POLL_MS = 2_000;

/**
 * Splunk's HTTP Event Collector. Its 200 only says that a batch looks valid; with acknowledgement (an option of the
 * token) the batch counts when the indexer has it. An acknowledgement that does not come in time, or that the
 * receiver has forgotten, means sending the same events with the same ids again, on another channel.
 */
export class SplunkHecReceiver extends Receiver {
  #post: OutboundHttp | undefined;
  #token: string | undefined;
  #channel = randomUUID() as string;
  /** A balancer keeps a channel with one indexer by its cookie. */
  readonly #cookies = new Map<string, string>();

  constructor(private readonly parts: ReceiverParts<'splunk_hec'>) {
    super();
  }

  override async deliver(
    events: readonly SinkEvent[],
    signal: AbortSignal,
    accepted: () => void,
  ): Promise<void> {
    const { settings } = this.parts;
    const answer = await this.#send(
      'event',
      Buffer.from(events.map((one) => this.#wrap(one)).join('')),
      signal,
    );
    const { code, ackId } = readAnswer(answer);
    const failure = failureOf(answer);
    // Invalid token, no channel and the like are answered 400 too, and are not about the events.
    if (failure)
      throw failure.refused && CONFIGURATION.has(code ?? 0) ? new DeliveryFailure(`hec_${code}`) : failure;
    if (code !== 0) throw new DeliveryFailure('not_a_collector');
    accepted();
    if (!(settings.acknowledge ?? true)) return;
    if (ackId === undefined) throw new DeliveryFailure('acknowledgement_off');
    await this.#indexed(ackId, signal);
  }

  override async close(): Promise<boolean> {
    this.#post?.close();
    return false;
  }

  async #indexed(ackId: number, signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.parts;
    const until = clock.monotonic() + (settings.acknowledgeSeconds ?? ACKNOWLEDGE_SECONDS) * 1_000;
    const question = Buffer.from(JSON.stringify({ acks: [ackId] }));
    for (let wait = POLL_MS; ; wait = Math.min(wait * 2, LONGEST_POLL_MS)) {
      const answer = await this.#send('ack', question, signal);
      const failure = failureOf(answer);
      if (failure) throw new DeliveryFailure(failure.code);
      if (readAcks(answer)[String(ackId)] === true) return;
      if (clock.monotonic() >= until) break;
      await sleep(wait, undefined, { signal });
    }
    this.#channel = randomUUID();
    throw new DeliveryFailure('not_acknowledged');
  }

  async #send(path: 'event' | 'ack', body: Buffer, signal: AbortSignal): Promise<HttpAnswer> {
    const { settings, egress, secret, timeoutMs } = this.parts;
    this.#token ??= (await secret(settings.token)) ?? '';
    this.#post ??= new OutboundHttp(egress, timeoutMs, settings, await secret(settings.clientKey));
    const url = new URL(settings.url);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/services/collector/${path}`;
    if (path === 'ack') url.searchParams.set('channel', this.#channel);
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = {
      authorization: `Splunk ${this.#token}`,
      'content-type': 'application/json',
      'x-splunk-request-channel': this.#channel,
      ...(cookie !== '' && { cookie }),
    };
    const answer = await this.#post.ask({ method: 'POST', url, headers, body }, signal);
    for (const one of answer.cookies) {
      const [, name, value] = /^([^=;\s]+)=([^;]*)/.exec(one) ?? [];
      if (name !== undefined && value !== undefined && this.#cookies.size < 20)
        this.#cookies.set(name, value);
    }
    return answer;
  }

  /** The envelope of one event. The line of a JSON format goes in as it is, so that it still proves itself. */
  #wrap(event: SinkEvent): string {
    const { settings, format } = this.parts;
    const text = event.pos > 0 && (format === 'cef' || format === 'leef');
    const envelope = JSON.stringify({
      time: Date.parse(event.time) / 1_000,
      host: hostname(),
      source: settings.source ?? 'portcullis',
      sourcetype: settings.sourcetype ?? `portcullis:audit:${format}`,
      index: settings.index,
      fields: {
        org: event.org,
        pos: String(event.pos),
        event_id: event.id,
        leafHash: event.leafHash,
        ...(event.test && { test: 'true' }),
      },
    });
    return `${envelope.slice(0, -1)},"event":${text ? JSON.stringify(event.line) : event.line}}`;
  }
}

/** Codes of the collector that speak of the sink's settings: of the token, the index and the channel. */
const CONFIGURATION = new Set([1, 2, 3, 4, 7, 10, 11, 14]);

function readAnswer({ body }: HttpAnswer): { code?: number; ackId?: number } {
  const { code, ackId } = parsed(body) as { code?: unknown; ackId?: unknown };
  return {
    ...(typeof code === 'number' && { code }),
    ...(typeof ackId === 'number' && { ackId }),
  };
}

function readAcks({ body }: HttpAnswer): Record<string, unknown> {
  const { acks } = parsed(body) as { acks?: unknown };
  return typeof acks === 'object' && acks !== null ? (acks as Record<string, unknown>) : {};
}

function parsed(body: string): object {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
