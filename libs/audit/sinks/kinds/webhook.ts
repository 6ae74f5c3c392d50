import { createHmac } from 'node:crypto';
import { contentTypeOf } from '../../formats/format.ts';
import { Receiver, type SinkEvent } from '../delivery.ts';
import { failureOf, HttpCall } from '../http-call.ts';
import type { ReceiverParts } from '../receiver-parts.ts';

/**
 * An HTTP webhook, signed as Standard Webhooks (standardwebhooks.com) says: `webhook-id`, `webhook-timestamp` and
 * `webhook-signature` = `v1,` base64 HMAC-SHA-256 of `<id>.<timestamp>.<body>`. 2xx means accepted. The id names the
 * range, so that the same batch sent again has the same; events have ids of their own in any case.
 */
export class WebhookReceiver extends Receiver {
  #post: HttpCall | undefined;
  #keys: { hmac: Buffer; authorization: string | undefined } | undefined;

  constructor(private readonly parts: ReceiverParts<'webhook'>) {
    super();
  }

  override async deliver(events: readonly SinkEvent[], signal: AbortSignal): Promise<void> {
    const { settings, format, sinkId, clock } = this.parts;
    const { post, keys } = await this.#ready();
    const array = settings.body === 'json';
    const body = array ? jsonArray(events, format) : events.map(({ line }) => `${line}\n`).join('');
    const id = `${sinkId}_${events[0]?.id ?? ''}_${events.length}`;
    const timestamp = String(Math.floor(clock.now().getTime() / 1_000));
    const headers = {
      'content-type': array ? 'application/json' : contentTypeOf(format),
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${sign(keys.hmac, id, timestamp, body)}`,
      ...(keys.authorization !== undefined && { authorization: keys.authorization }),
      ...(events.some(({ test }) => test) && { 'x-portcullis-test': 'true' }),
    };
    const failure = failureOf(await post.send(new URL(settings.url), headers, Buffer.from(body), signal));
    if (failure) throw failure;
  }

  override async close(): Promise<boolean> {
    this.#post?.close();
    return false;
  }

  async #ready(): Promise<{
    post: HttpCall;
    keys: { hmac: Buffer; authorization: string | undefined };
  }> {
    const { settings, egress, secret, timeoutMs } = this.parts;
    this.#keys ??= {
      hmac: keyOf((await secret(settings.hmacKey)) ?? ''),
      authorization: await secret(settings.authorization),
    };
    this.#post ??= new HttpCall(egress, timeoutMs, settings, await secret(settings.clientKey));
    return { post: this.#post, keys: this.#keys };
  }
}

function sign(key: Buffer, id: string, timestamp: string, body: string): string {
  return createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
}

/** `whsec_` and base64 as Standard Webhooks writes keys; any other text is the key itself. */
function keyOf(secret: string): Buffer {
  const encoded = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(secret)?.[1];
  return encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, 'base64');
}

/** Lines of JSON are its items as they are; lines of text are strings. */
function jsonArray(events: readonly SinkEvent[], format: string): string {
  const text = format === 'cef' || format === 'leef';
  return `[${events.map(({ line, pos }) => (text && pos > 0 ? JSON.stringify(line) : line)).join(',')}]`;
}
