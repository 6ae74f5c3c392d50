import { Agent as PlainAgent, type IncomingMessage, request as requestPlain } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { tlsOptions, type TlsTrust } from './connect.ts';
import { DeliveryFailure } from './delivery-failure.ts';
import type { Egress } from './egress.ts';

export interface HttpQuestion {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly retryAfter: number | undefined;
  readonly cookies: readonly string[];
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

const LONGEST_ANSWER = 65_536;

/**
 * Asks one target: only the address that was checked, following no redirect, within one deadline for all of it,
 * however slowly the other side talks. Failures: those of Egress, `tls_required`, `timeout`, `answer_too_long`, and
 * whatever the connection breaks with.
 */
export class OutboundHttp {
  readonly #tlsAgent = new TlsAgent({ keepAlive: true, maxSockets: 1 });
  readonly #plainAgent = new PlainAgent({ keepAlive: true, maxSockets: 1 });

  constructor(
    private readonly egress: Egress,
    private readonly timeoutMs: number,
    private readonly tls: TlsTrust = {},
    /** PEM; to the certificate of `tls`. */
    private readonly clientKey?: string,
    /** Bytes; an answer that is longer is a failure. */
    private readonly longestAnswer = LONGEST_ANSWER,
  ) {}

  async ask(question: HttpQuestion, signal: AbortSignal): Promise<HttpAnswer> {
    const { url } = question;
    const { address, allowed } = await this.egress.check(url.hostname);
    if (url.protocol !== 'https:' && !allowed) throw new DeliveryFailure('tls_required');
    const late = AbortSignal.timeout(this.timeoutMs);
    try {
      return await this.#ask(question, address, AbortSignal.any([signal, late]));
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
    { method, url, headers, body }: HttpQuestion,
    address: string,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const secure = url.protocol === 'https:';
    const options = {
      method,
      host: address,
      port: url.port || (secure ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      headers: {
        ...headers,
        host: url.host,
        'user-agent': 'Portcullis',
        ...(body && { 'content-length': body.length }),
      },
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
      body: await bodyOf(response, this.longestAnswer),
      retryAfter: secondsOf(response.headers['retry-after']),
      cookies: response.headers['set-cookie'] ?? [],
      headers: response.headers,
    };
  }

  #secured(url: URL): ConnectionOptions {
    return tlsOptions(this.tls, url.hostname, this.clientKey);
  }
}

async function bodyOf(response: IncomingMessage, longest: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > longest) throw new DeliveryFailure('answer_too_long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function secondsOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) : undefined;
}

/** Undefined for success; else what a status means to whoever sent something. Only 400 and 413 are about what was sent. */
export function failureOf({ status, retryAfter }: HttpAnswer): DeliveryFailure | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status >= 300 && status < 400) return new DeliveryFailure('redirected');
  return new DeliveryFailure(`http_${status}`, {
    refused: status === 400 || status === 413,
    ...(retryAfter !== undefined && { retryAfter }),
  });
}
