import { setTimeout as sleep } from 'node:timers/promises';
import type nodeVault from 'node-vault';
import { type FailureReason, VaultFailure } from './failure.ts';
import type { VaultPath } from './path.ts';
import { Reply } from './reply.ts';
import { type Sent, VaultTransport } from './transport.ts';
import type { Secret } from '../secret.ts';

export interface VaultAddress {
  /** `https://vault.example:8200`; `http:` on this machine only. */
  readonly address: string;
  readonly namespace: string | undefined;
  readonly ca: string | undefined;
  /** Milliseconds for all attempts of one request together. */
  readonly deadlineMs: number;
}

export interface Asked {
  readonly method: 'GET' | 'LIST' | 'POST' | 'DELETE';
  readonly path: VaultPath;
  /** With GET: which version. */
  readonly version?: number | undefined;
  readonly body?: unknown;
  readonly token?: Secret | undefined;
  /** Another end than the deadline. */
  readonly signal?: AbortSignal | undefined;
}

const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** Of a standby that was asked for its health, or could not pass the request on (472, 473: of another cluster). */
const STANDBY = new Set([472, 473]);

/**
 * Asks a Vault or OpenBao server by way of node-vault, whose own transport is replaced: that one follows redirects
 * with the token, puts token and values into its errors, and waits for ever. Nothing of it is left to its defaults,
 * for those are read from `VAULT_*`.
 */
export class VaultClient {
  readonly #transport: VaultTransport;
  /** Loaded with the first request: most deployments have no such server. */
  #vault: Promise<nodeVault.client> | undefined;

  constructor(private readonly at: VaultAddress) {
    this.#transport = new VaultTransport({ ca: at.ca, stepMs: Math.ceil(at.deadlineMs / 2) });
  }

  /**
   * The answer, of any status below 500 that is about what was asked. Asks again, within the deadline, where the
   * server surely did nothing, and where asking twice does no harm. Rejects with a VaultFailure.
   */
  async ask(asked: Asked): Promise<Reply> {
    const deadline = AbortSignal.timeout(this.at.deadlineMs);
    const end = performance.now() + this.at.deadlineMs;
    const signal = asked.signal ? AbortSignal.any([asked.signal, deadline]) : deadline;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#once(asked, signal).catch((error: unknown) => {
        if (error instanceof VaultFailure) return error;
        throw error;
      });
      if (answer instanceof Reply) return answer;
      if (attempt === ATTEMPTS || signal.aborted || !mayRepeat(asked, answer)) throw answer;
      const pause = pauseMs(attempt, answer.retryAfter);
      if (performance.now() + pause > end) throw answer;
      const ended = await sleep(pause, false, { signal }).catch(() => true);
      if (ended) throw answer;
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #load(): Promise<nodeVault.client> {
    const { default: nodeVault } = await import('node-vault');
    const send = async (sent: NodeVaultRequest): Promise<Enveloped> => {
      const reply = await this.#transport.send({
        method: sent.method,
        url: sent.uri,
        headers: sent.headers,
        body: sent.json === undefined ? undefined : JSON.stringify(sent.json),
        signal: sent.signal,
      });
      // Its errors would hold the body: it gets none to make one of.
      return { statusCode: 200, body: reply, request: { path: '' } };
    };
    const vault = nodeVault({
      endpoint: this.at.address,
      apiVersion: 'v1',
      debug: () => undefined,
      'request-promise': { defaults: () => send },
    });
    // What is empty in its options it would take from the environment; so it is set afterwards.
    return Object.assign(vault, {
      pathPrefix: '',
      token: '',
      namespace: this.at.namespace ?? '',
      noCustomHTTPVerbs: false,
    });
  }

  async #once({ method, path, version, body, token }: Asked, signal: AbortSignal): Promise<Reply> {
    const query = method === 'LIST' ? '?list=true' : version === undefined ? '' : `?version=${version}`;
    const vault = await (this.#vault ??= this.#load());
    const reply: unknown = await vault.request({
      // What stands between may not know the verb LIST.
      method: method === 'LIST' ? 'GET' : method,
      path: `/${path}${query}`,
      // Says that no browser was tricked into it; a server may insist.
      headers: { 'X-Vault-Request': 'true', ...(token && { 'X-Vault-Token': token.reveal() }) },
      signal,
      ...(body !== undefined && { json: body }),
    });
    if (!(reply instanceof Reply)) throw new VaultFailure('malformed');
    const failure = failureOf(reply, method);
    if (failure) throw failure;
    return reply;
  }
}

type NodeVaultRequest = Omit<Sent, 'url' | 'body'> & { uri: string; json?: unknown };
interface Enveloped {
  statusCode: 200;
  body: Reply;
  request: { path: string };
}

/** What a status says of the server instead of what it was asked. */
function failureOf(reply: Reply, method: Asked['method']): VaultFailure | undefined {
  const { status, retryAfter } = reply;
  const reason = reasonOf(reply);
  if (reason === undefined) return undefined;
  // A server that fails may have done it before.
  return new VaultFailure(reason, {
    status,
    retryAfter,
    maybeDone: status >= 500 && status !== 503 && method !== 'GET',
  });
}

function reasonOf({ status, error }: Reply): FailureReason | undefined {
  if (status === 503) return error === 'sealed' ? 'sealed' : 'failing';
  if (status === 429) return 'limited';
  if (STANDBY.has(status) || status === 412) return 'standby';
  return status >= 500 ? 'failing' : undefined;
}

function mayRepeat({ method }: Asked, { reason, maybeDone }: VaultFailure): boolean {
  if (reason === 'redirected' || reason === 'too_long' || reason === 'malformed') return false;
  return !maybeDone || method === 'GET' || method === 'LIST';
}

/** Doubled each time, and anywhere between nothing and that: many who failed together do not come back together. */
function pauseMs(attempt: number, retryAfter: number | undefined): number {
  const most = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  return (retryAfter ?? 0) * 1_000 + Math.random() * most;
}
