import { failureOf, OutboundHttp, signStandardWebhook } from '#egress';
import { contentTypeOf } from '../../formats/format.ts';
import { Receiver, type SinkEvent } from '../delivery.ts';
import type { ReceiverParts } from '../receiver-parts.ts';

/**
 * An HTTP webhook, signed as Standard Webhooks (standardwebhooks.com) says. 2xx means accepted. The id names the
 * range, so that the same batch sent again has the same; events have ids of their own in any case.
 */
export class WebhookReceiver extends Receiver {
  #post: OutboundHttp | undefined;
  #keys: { hmac: string; authorization: string | undefined } | undefined;

  constructor(private readonly parts: ReceiverParts<'webhook'>) {
    super();
  }

  override async deliver(events: readonly SinkEvent[], signal: AbortSignal): Promise<void> {
    const { settings, format, sinkId, clock } = this.parts;
    const { post, keys } = await this.#ready();
    const array = settings.body === 'json';
    const body = array ? jsonArray(events, format) : events.map(({ line }) => `${line}\n`).join('');
    const id = `${sinkId}_${events[0]?.id ?? ''}_${events.length}`;
    const headers = {
      'content-type': array ? 'application/json' : contentTypeOf(format),
      ...signStandardWebhook(keys.hmac, id, clock.now(), body),
      ...(keys.authorization !== undefined && { authorization: keys.authorization }),
      ...(events.some(({ test }) => test) && { 'x-portcullis-test': 'true' }),
    };
    const question = {
      method: 'POST',
      url: new URL(settings.url),
      headers,
      body: Buffer.from(body),
    } as const;
    const failure = failureOf(await post.ask(question, signal));
    if (failure) throw failure;
  }

  override async close(): Promise<boolean> {
    this.#post?.close();
    return false;
  }

  async #ready(): Promise<{
    post: OutboundHttp;
    keys: { hmac: string; authorization: string | undefined };
  }> {
    const { settings, egress, secret, timeoutMs } = this.parts;
    this.#keys ??= {
      hmac: (await secret(settings.hmacKey)) ?? '',
      authorization: await secret(settings.authorization),
    };
    this.#post ??= new OutboundHttp(egress, timeoutMs, settings, await secret(settings.clientKey));
    return { post: this.#post, keys: this.#keys };
  }
}

/** Lines of JSON are its items as they are; lines of text are strings. */
function jsonArray(events: readonly SinkEvent[], format: string): string {
  const text = format === 'cef' || format === 'leef';
  return `[${events.map(({ line, pos }) => (text && pos > 0 ? JSON.stringify(line) : line)).join(',')}]`;
}
