import { Agent as PlainAgent, type IncomingMessage, request as requestPlain } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { tlsOptions } from './connect.ts';
import { DeliveryFailure } from './delivery.ts';
import type { Egress } from './egress.ts';
import type { TlsSettings } from './sink.settings.ts';

export interface HttpAnswer {
  readonly status: number;
  /** At most 64 KiB of it. */
  readonly body: string;
  readonly retryAfter: number | undefined;
  readonly cookies: readonly string[];
}

const LONGEST_ANSWER = 65_536;

/**
 * Calls one target: only to the address that was checked, following no redirect, within one deadline for all of
 * it, however slowly the receiver talks.
 */
export class HttpCall {
  readonly #tlsAgent = new TlsAgent({ keepAlive: true, maxSockets: 1 });
  readonly #plainAgent = new PlainAgent({ keepAlive: true, maxSockets: 1 });

  constructor(
    private readonly egress: Egress,
    private readonly timeoutMs: number,
    private readonly tls: TlsSettings,
    private readonly clientKey: string | undefined,
    private readonly method: 'GET' | 'POST' | 'PUT' = 'POST',
  ) {}

  async send(
    url: URL,
    headers: Record<string, string>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { address, allowed } = await this.egress.check(url.hostname);
    if (url.protocol !== 'https:' && !allowed) throw new DeliveryFailure('tls_required');
    const late = AbortSignal.timeout(this.timeoutMs);
    try {
      return await this.#ask(url, address, headers, body, AbortSignal.any([signal, late]));
    } catch (error) {
      if (late.aborted && !signal.aborted) throw new DeliveryFailure('timeout', { cause: error });
      throw error;
    }
  }

  close(): void {
    this.#tlsAgent.destroy();
    this.#plainAgent.destroy();
  }

  async #ask(
    url: URL,
    address: string,
    headers: Record<string, string>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const secure = url.protocol === 'https:';
    const options = {
      method: this.method,
      host: address,
      port: url.port || (secure ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      headers: { ...headers, host: url.host, 'content-length': body.length, 'user-agent': 'Portcullis' },
      signal,
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const asked = secure
        ? requestTls({ ...options, ...this.#secured(url), agent: this.#tlsAgent })
        : requestPlain({ ...options, agent: this.#plainAgent });
      asked.once('response', resolve);
      // It stays: a connection that breaks later must not end the process.
      asked.on('error', reject);
      asked.end(body);
    });
    return {
      status: response.statusCode ?? 0,
      body: await bodyOf(response),
      retryAfter: secondsOf(response.headers['retry-after']),
      cookies: response.headers['set-cookie'] ?? [],
    };
  }

  #secured(url: URL): ConnectionOptions {
    return tlsOptions(this.tls, url.hostname, this.clientKey);
  }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LONGEST_ANSWER) throw new DeliveryFailure('answer_too_long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function secondsOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
}

/** Undefined for success; else what a status means to a sender. Only 400 and 413 are about what was sent. */
export function failureOf({ status, retryAfter }: HttpAnswer): DeliveryFailure | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status >= 300 && status < 400) return new DeliveryFailure('redirected');
  return new DeliveryFailure(`http_${status}`, {
    refused: status === 400 || status === 413,
    ...(retryAfter !== undefined && { retryAfter }),
  });
}
