import { asDeliveryFailure, type Egress, OutboundHttp } from '#egress';
import { GiteaFailure } from './gitea-failure.ts';

const TIMEOUT_MS = 10_000;
/** A page of 50 pull requests, each with both repositories, is about a megabyte and a half. */
const LONGEST_ANSWER = 4 * 1_048_576;
const PAGE = 50;
const MOST_PAGES = 200;

/** An answer, parsed; 404 is one, for what is gone is what we ask about. */
export type Answer = { readonly found: true; readonly body: unknown } | { readonly found: false };

/**
 * Gitea's API (its templates/swagger/v1_json.tmpl) by GET alone, with our own token. Every path is made of parts that
 * are encoded here.
 */
export class GiteaHttp {
  readonly #http: OutboundHttp;

  constructor(
    egress: Egress,
    private readonly baseUrl: string,
    private readonly token: { reveal(): string },
    private readonly signal: AbortSignal,
  ) {
    this.#http = new OutboundHttp(egress, TIMEOUT_MS, {}, undefined, LONGEST_ANSWER);
  }

  close(): void {
    this.#http.close();
  }

  /** Failures: `gitea_timeout`, `gitea_answer_too_long`, `gitea_http_502`, `gitea_redirected`, `gitea_not_json`, …. */
  async get(parts: readonly string[], query: Record<string, string> = {}): Promise<Answer> {
    const { found, body } = await this.#ask(parts, query);
    return found ? { found, body } : { found };
  }

  /** All items of a list, page by page, as many as the first page says there are. */
  async list(parts: readonly string[], query: Record<string, string> = {}): Promise<unknown[] | undefined> {
    const items: unknown[] = [];
    for (let page = 1; page <= MOST_PAGES; page += 1) {
      const answer = await this.#ask(parts, { ...query, page: String(page), limit: String(PAGE) });
      if (!answer.found) return undefined;
      if (!Array.isArray(answer.body) || answer.total === undefined)
        throw new GiteaFailure('answer_unexpected');
      items.push(...(answer.body as unknown[]));
      if (answer.body.length === 0 || items.length >= answer.total) return items;
    }
    throw new GiteaFailure('list_too_long');
  }

  async #ask(
    parts: readonly string[],
    query: Record<string, string>,
  ): Promise<{ found: boolean; body: unknown; total: number | undefined }> {
    const url = new URL(`${this.baseUrl}/api/v1/${parts.map(encodeURIComponent).join('/')}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const headers = { authorization: `token ${this.token.reveal()}`, accept: 'application/json' };
    const answer = await this.#http
      .ask({ method: 'GET', url, headers }, this.signal)
      .catch((error: unknown) => {
        throw new GiteaFailure(asDeliveryFailure(error).code, { cause: error });
      });
    if (answer.status === 404) return { found: false, body: undefined, total: undefined };
    if (answer.status >= 300 && answer.status < 400) throw new GiteaFailure('redirected');
    if (answer.status !== 200) throw new GiteaFailure(`http_${answer.status}`);
    const total = Number(answer.headers['x-total-count']);
    const counted =
      Number.isSafeInteger(total) && total >= 0 && answer.headers['x-total-count'] !== undefined;
    return { found: true, body: parse(answer.body), total: counted ? total : undefined };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new GiteaFailure('not_json');
  }
}
