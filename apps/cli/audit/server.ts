import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Unreachable } from '../command.ts';

const PAGE = 10_000;
const ATTEMPTS = 5;
const LONGEST_WAIT_S = 60;
/** A page that takes longer than this does not come any more. */
const SILENT_MS = 600_000;

/** The server answered, and not with what was asked for. */
export class Refusal extends Unreachable {}

/** One organization's log on a server, read with a key that holds `audit:export`. */
export class AuditServer {
  readonly #url: string;
  readonly #org: string;
  readonly #key: string;

  constructor(url: string, org: string, key: string) {
    this.#url = url.replace(/\/+$/, '');
    this.#org = org;
    this.#key = key;
  }

  checkpoint(): Promise<string> {
    return this.#text(`${this.#audit}/checkpoint`);
  }

  keys(): Promise<string> {
    return this.#text(`${this.#url}/.well-known/audit-keys`);
  }

  inclusion(pos: number, size: number): Promise<string[]> {
    return this.#proof(`inclusion?pos=${pos}&size=${size}`);
  }

  consistency(from: number, to: number): Promise<string[]> {
    return this.#proof(`consistency?from=${from}&to=${to}`);
  }

  /**
   * The positions `after + 1` to `upTo` (or to the end), page by page; the next page is asked for when the one before
   * has been taken in.
   */
  async *lines(after: number, upTo = Infinity, format = 'native'): AsyncGenerator<Uint8Array> {
    for (let at = after; at < upTo;) {
      const limit = Math.min(PAGE, upTo - at);
      const answer = await this.#ask(`${this.#audit}/export?after=${at}&limit=${limit}&format=${format}`);
      const next = Number(answer.headers.get('x-audit-next'));
      if (!Number.isSafeInteger(next) || next < at)
        throw new Unreachable('the export does not say how it goes on');
      if (next === at) return;
      if (answer.body) yield* chunksOf(answer.body);
      at = next;
    }
  }

  get #audit(): string {
    return `${this.#url}/api/v1/orgs/${encodeURIComponent(this.#org)}/audit`;
  }

  async #proof(query: string): Promise<string[]> {
    const answer: unknown = JSON.parse(await this.#text(`${this.#audit}/proofs/${query}`));
    return hashesOf(answer);
  }

  async #text(url: string): Promise<string> {
    return (await this.#ask(url)).text();
  }

  async #ask(url: string): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#once(url);
      if (answer.ok) return answer;
      const wait = Number(answer.headers.get('retry-after') ?? 1);
      const text = (await answer.text()).slice(0, 500);
      // What is not what was written is 503 too, and no wait mends it.
      const passes = answer.status === 429 || (answer.status === 503 && answer.headers.has('retry-after'));
      if (!passes || attempt === ATTEMPTS || !(wait <= LONGEST_WAIT_S)) {
        throw new Refusal(`${url} answered ${answer.status}: ${text}`);
      }
      await sleep(wait * 1_000);
    }
  }

  async #once(url: string): Promise<Response> {
    try {
      return await fetch(url, {
        headers: { authorization: `Bearer ${this.#key}` },
        // A key must not follow to another server.
        redirect: 'error',
        signal: AbortSignal.timeout(SILENT_MS),
      });
    } catch (error) {
      throw new Unreachable(`${url} cannot be reached: ${reasonOf(error)}`);
    }
  }
}

async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw new Unreachable(`the export broke off: ${reasonOf(error)}`);
  }
}

/** The hashes of a proof as the server answers it. */
export function hashesOf(answer: unknown): string[] {
  const hashes =
    typeof answer === 'object' && answer !== null && 'hashes' in answer ? answer.hashes : undefined;
  if (!Array.isArray(hashes) || !hashes.every((one): one is string => typeof one === 'string')) {
    throw new Unreachable('the proof is none: it has no hashes');
  }
  return hashes;
}

/** The text of a file. */
export async function textOfFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Unreachable(`${path} cannot be read: ${reasonOf(error)}`);
  }
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const deeper =
    cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : undefined;
  return deeper === undefined ? error.message : `${error.message} (${deeper})`;
}
