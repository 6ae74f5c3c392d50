import { Agent, errors, request } from 'undici';
import { VaultFailure } from './failure.ts';
import { Reply } from './reply.ts';

export interface TransportSettings {
  /** PEM of the only authorities that are believed; those of the system where unset. */
  readonly ca: string | undefined;
  /** Milliseconds to connect, until the head of an answer, and between two parts of its body. */
  readonly stepMs: number;
}

export interface Sent {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

/** No secret comes near it; a list of ten thousand names does. */
const LONGEST_ANSWER = 1024 * 1024;
const CONNECTIONS = 16;
/** What went wrong before anything was sent. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
const LATE = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/**
 * One request, one answer: no redirect is followed, no proxy asked, each step and the length have a bound, and the
 * server proves who it is whatever the environment says (`NODE_TLS_REJECT_UNAUTHORIZED`, `VAULT_SKIP_VERIFY`).
 */
export class VaultTransport {
  readonly #agent: Agent;

  constructor({ ca, stepMs }: TransportSettings) {
    this.#agent = new Agent({
      connections: CONNECTIONS,
      headersTimeout: stepMs,
      bodyTimeout: stepMs,
      maxResponseSize: LONGEST_ANSWER,
      connect: {
        timeout: stepMs,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...(ca !== undefined && { ca }),
      },
    });
  }

  /** Rejects with a VaultFailure. Any status is an answer, save those that lead elsewhere. */
  async send({ method, url, headers, body, signal }: Sent): Promise<Reply> {
    try {
      const answer = await request(url, {
        dispatcher: this.#agent,
        method,
        headers: { ...headers, ...(body !== undefined && !('content-type' in headers) && JSON_TYPE) },
        signal,
        ...(body !== undefined && { body }),
      });
      // Read to the end in any case, so that the connection is free again.
      const text = await answer.body.text();
      const status = answer.statusCode;
      if (status >= 300 && status < 400) throw new VaultFailure('redirected', { status });
      const type = String(answer.headers['content-type'] ?? '');
      const after = String(answer.headers['retry-after'] ?? '');
      return new Reply(
        status,
        text === '' ? undefined : parse(text, type, status),
        /^\d{1,6}$/.test(after) ? Number(after) : undefined,
      );
    } catch (error) {
      throw failureOf(error, signal);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

const JSON_TYPE = { 'content-type': 'application/json' };

function parse(text: string, type: string, status: number): unknown {
  try {
    if (type.startsWith('application/json')) return JSON.parse(text);
  } catch {
    // Said below: the error of the parser repeats the text.
  }
  // A proxy that fails says so in HTML.
  if (status >= 500) return undefined;
  throw new VaultFailure('malformed', { status, maybeDone: true });
}

function failureOf(error: unknown, signal: AbortSignal): VaultFailure {
  if (error instanceof VaultFailure) return error;
  if (signal.aborted) return new VaultFailure('late', { maybeDone: true });
  if (error instanceof errors.ResponseExceededMaxSizeError)
    return new VaultFailure('too_long', { maybeDone: true });
  const code = codeOf(error);
  if (LATE.has(code)) return new VaultFailure('late', { maybeDone: true, detail: code });
  if (error instanceof errors.ConnectTimeoutError) return new VaultFailure('late', { detail: code });
  const notSent = NOT_SENT.has(code) || /CERT|TLS|SSL|SELF_SIGNED|ALTNAME|ISSUER|VERIFY/.test(code);
  return new VaultFailure(notSent ? 'unreachable' : 'broken_off', { maybeDone: !notSent, detail: code });
}

/** The code of the system or of the library (`ECONNREFUSED`): never the message. */
function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^[A-Z_0-9]{1,64}$/.test(code) ? code : 'unknown';
}
