import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { freePort } from './ports.ts';
import { error, nothing, notFound, ok, type VaultAnswer, type VaultRequest } from './vault/answer.ts';
import { AuthEngine, type AuthRole, type TokenEntry } from './vault/auth.ts';
import { DatabaseEngine } from './vault/database.ts';
import { KvEngine } from './vault/kv.ts';
import { allows, type Rule } from './vault/policy.ts';
import { SystemEngine } from './vault/system.ts';
import { TransitEngine } from './vault/transit.ts';

/** What goes wrong, instead of the answer; `lost` does what was asked, and then gives no answer. */
export type Trouble =
  | 'hang'
  | 'slow'
  | 'oversize'
  | 'break'
  | 'lost'
  | 'malformed'
  | 'html'
  | { readonly redirect: string }
  | { readonly status: number; readonly errors?: readonly string[]; readonly retryAfter?: number };

export interface VaultServerOptions {
  /** Any free one where unsaid. */
  port?: number;
  /** The one namespace there is besides the root. */
  namespace?: string;
  tls?: { readonly cert: string; readonly key: string };
  /** A PostgreSQL as its superuser, for the database engine. */
  databaseUrl?: string;
  /** With nothing mounted, as it is after its initialization. */
  bare?: boolean;
}

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly token: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const NO_TOKEN = /^auth\/[^/]+\/login$|^sys\/(health|seal-status|wrapping\/(lookup|unwrap))$/;
const CAPABILITY = { GET: 'read', LIST: 'list', POST: 'update', DELETE: 'delete' } as const;

/**
 * A strict stand-in for Vault and OpenBao: a real HTTP server with KV version 2 (mount `kv`), transit, database, the
 * auth methods, wrapping, leases, policies and namespaces, each as the documentation and OpenBao's source say. A
 * specification moves its clock, seals it, and makes it misbehave. Nothing is forgiven: a path that is not in its
 * normal form is refused, and so is a body of another type.
 */
export class VaultServer {
  readonly kv = new KvEngine(() => new Date(this.#now()));
  readonly transit = new TransitEngine();
  readonly auth = new AuthEngine(() => this.#now());
  readonly #database: DatabaseEngine | undefined;
  readonly system: SystemEngine;
  readonly #wrapped = new Map<string, { answer: VaultAnswer; path: string; expiresAt: number }>();
  readonly requests: Seen[] = [];
  sealed = false;
  #ahead = 0;
  #trouble: { kind: Trouble; left: number; on: RegExp } | undefined;
  #server: Server | undefined;
  #port = 0;
  readonly rootToken = `root-${randomUUID()}`;

  private constructor(private readonly options: VaultServerOptions) {
    this.#port = options.port ?? 0;
    this.system = new SystemEngine(options.bare ?? false);
    if (options.databaseUrl !== undefined)
      this.#database = new DatabaseEngine(options.databaseUrl, () => this.#now());
    const root = {
      policies: ['root'],
      ttl: 0,
      maxTtl: 0,
      renewable: false,
      createdAt: 0,
      expiresAt: Infinity,
    };
    this.auth.tokens.set(this.rootToken, { id: this.rootToken, ...root });
    this.system.policies.set('default', [
      { path: 'auth/token/lookup-self', capabilities: ['read'] },
      { path: 'auth/token/renew-self', capabilities: ['update'] },
      { path: 'auth/token/revoke-self', capabilities: ['update'] },
      { path: 'sys/leases/renew', capabilities: ['update'] },
    ]);
  }

  static async start(options: VaultServerOptions = {}): Promise<VaultServer> {
    const made = new VaultServer({ ...options, port: options.port ?? (await freePort()) });
    await made.listen();
    return made;
  }

  get url(): string {
    return `${this.options.tls ? 'https' : 'http'}://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get database(): DatabaseEngine {
    if (!this.#database) throw new Error('start the server with databaseUrl');
    return this.#database;
  }

  /** Again at the same port, after `stop`. */
  async listen(): Promise<void> {
    const take: RequestListener = (request, response) =>
      void this.#take(request, response).catch((cause: unknown) => {
        response
          .writeHead(500, { 'content-type': 'application/json' })
          .end(JSON.stringify({ errors: [String(cause)] }));
      });
    this.#server = this.options.tls ? createTlsServer(this.options.tls, take) : createServer(take);
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server?.listening) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  advance(seconds: number): void {
    this.#ahead += seconds * 1_000;
  }

  policy(name: string, rules: readonly Rule[]): void {
    this.system.policies.set(name, rules);
  }

  /** `approle/portcullis` and so on. */
  role(mount: string, name: string, role: AuthRole): void {
    this.auth.roles.set(`${mount}/${name}`, role);
  }

  /** A secret-id of an AppRole, wrapped as an orchestrator hands it out. */
  wrappedSecretId(role: string, mount = 'approle', ttl = 300): string {
    const answer = ok({
      data: { secret_id: this.auth.newSecretId(mount, role), secret_id_accessor: randomUUID() },
    });
    return this.wrap(answer, `auth/${mount}/role/${role}/secret-id`, ttl);
  }

  wrap(answer: VaultAnswer, path: string, ttl: number): string {
    const token = `hvs.wrap-${randomUUID()}`;
    this.#wrapped.set(token, { answer, path, expiresAt: this.#now() + ttl * 1_000 });
    return token;
  }

  /** Opens it as a thief would. */
  unwrap(token: string): VaultAnswer {
    const wrapped = this.#wrapped.get(token);
    this.#wrapped.delete(token);
    return wrapped && this.#now() < wrapped.expiresAt ? wrapped.answer : NOT_WRAPPED;
  }

  /** From now on, or so many times, requests (`POST kv/data/…`) that fit get it. */
  misbehave(kind: Trouble, times = Infinity, on = /(?:)/): void {
    this.#trouble = { kind, left: times, on };
  }

  behave(): void {
    this.#trouble = undefined;
  }

  #now(): number {
    return Date.now() + this.#ahead;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const token = headerOf(request, 'x-vault-token');
    const body = Buffer.concat(chunks).toString();
    const { method = '', headers } = request;
    this.requests.push({ method, path, token, headers, body });
    const trouble = this.#troubleOf(`${method} ${path.slice(4)}`);
    if (trouble !== undefined && trouble !== 'lost') return misbehave(response, trouble);
    const answer = await this.#answer({ method, path, token, headers, body }, new URLSearchParams(query));
    if (trouble === 'lost') return void response.destroy();
    send(response, this.#maybeWrapped(answer, headerOf(request, 'x-vault-wrap-ttl'), path.slice(4)));
  }

  #troubleOf(asked: string): Trouble | undefined {
    const trouble = this.#trouble;
    if (!trouble || trouble.left <= 0 || !trouble.on.test(asked)) return undefined;
    trouble.left -= 1;
    return trouble.kind;
  }

  async #answer({ method, path, token, headers, body }: Seen, query: URLSearchParams): Promise<VaultAnswer> {
    if (!/^\/v1\/[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*\/?$/.test(path) || path.includes('..'))
      return error(400, 'relative paths not supported');
    const route = path.slice(4);
    if (route === 'sys/health')
      return {
        status: this.sealed ? 503 : 200,
        body: { initialized: true, sealed: this.sealed, standby: false },
      };
    if (this.sealed) return error(503, 'Vault is sealed');
    if ((headers['x-vault-namespace'] ?? '') !== (this.options.namespace ?? '')) return noHandler(route);
    if (body !== '' && headers['content-type'] !== 'application/json')
      return error(400, 'failed to parse JSON input');
    // PUT and POST are the same to it.
    const sent = method === 'PUT' ? 'POST' : method;
    const verb = sent === 'GET' && query.get('list') === 'true' ? 'LIST' : sent;
    const understood = { method: verb as VaultRequest['method'], path: route, query, body: parsed(body) };
    if (!(verb in CAPABILITY)) return error(405, 'unsupported operation');
    if (NO_TOKEN.test(route)) return this.#open(route, understood, token);
    const entry = this.auth.live(token);
    if (!entry || !this.#allowed(entry, understood))
      return error(403, '1 error occurred:\n\t* permission denied\n\n');
    return this.#route(understood, entry);
  }

  #allowed({ policies }: TokenEntry, { method, path }: VaultRequest): boolean {
    if (policies.includes('root')) return true;
    const rules = policies.flatMap((name) => this.system.policies.get(name) ?? []);
    const creates =
      method === 'POST' && /^kv\/(data|metadata)\//.test(path) && !this.kv.exists(path.slice(3));
    return allows(rules, path, creates ? 'create' : CAPABILITY[method]);
  }

  #open(route: string, { body }: VaultRequest, token: string | undefined): VaultAnswer {
    const [area, mount = ''] = route.split('/');
    if (area === 'auth')
      return this.system.logins.has(mount) ? this.auth.logIn(mount, body) : noHandler(route);
    if (route === 'sys/seal-status') return ok({ data: { sealed: this.sealed } });
    const named = typeof body['token'] === 'string' ? body['token'] : (token ?? '');
    if (route === 'sys/wrapping/unwrap') return this.unwrap(named);
    const wrapped = this.#wrapped.get(named);
    if (!wrapped || this.#now() >= wrapped.expiresAt) return NOT_WRAPPED;
    return ok({
      data: { creation_path: wrapped.path, creation_time: '2026-01-01T00:00:00Z', creation_ttl: 300 },
    });
  }

  async #route(request: VaultRequest, token: TokenEntry): Promise<VaultAnswer> {
    const [mount = '', ...rest] = request.path.split('/');
    const below = { ...request, path: rest.join('/') };
    await this.#database?.sweep((id) => this.auth.live(id) !== undefined);
    const type = this.system.mounts.get(mount);
    if (type === 'kv') return this.kv.handle(below);
    if (type === 'transit') return this.transit.handle(below);
    if (type === 'database') return this.database.handle(below, token.id);
    if (/^sys\/(mounts|auth|policies)\//.test(request.path)) return this.system.handle(request);
    const [, login = '', area] = request.path.split('/');
    if (mount === 'auth' && this.system.logins.get(login) === 'approle' && area === 'role')
      return this.auth.handleRole(login, request);
    switch (`${request.method} ${request.path}`) {
      case 'GET auth/token/lookup-self':
        return this.auth.lookUp(token);
      case 'POST auth/token/renew-self':
        return this.auth.renewSelf(token, request.body);
      case 'POST auth/token/revoke-self':
        return this.auth.revoke(token.id);
      case 'POST sys/leases/renew':
        return this.database.renew(String(request.body['lease_id']), Number(request.body['increment'] ?? 0));
      case 'POST sys/leases/revoke':
        return this.database.revoke(String(request.body['lease_id']));
      case 'POST sys/seal':
        this.sealed = true;
        return nothing;
      default:
        return notFound;
    }
  }

  #maybeWrapped(answer: VaultAnswer, ttl: string | undefined, path: string): VaultAnswer {
    if (ttl === undefined || answer.status !== 200) return answer;
    const seconds = Number(ttl.replace(/s$/, ''));
    return ok({ wrap_info: { token: this.wrap(answer, path, seconds), ttl: seconds, creation_path: path } });
  }
}

function noHandler(route: string): VaultAnswer {
  return error(404, `no handler for route "${route}". route entry not found.`);
}

const NOT_WRAPPED = error(400, 'wrapping token is not valid or does not exist');
const JSON_TYPE = { 'content-type': 'application/json' };

function send(response: ServerResponse, { status, body }: VaultAnswer): void {
  response.writeHead(status, body === undefined ? {} : { ...JSON_TYPE, 'cache-control': 'no-store' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function misbehave(response: ServerResponse, trouble: Exclude<Trouble, 'lost'>): void {
  if (typeof trouble === 'object' && 'redirect' in trouble) {
    response.writeHead(307, { location: trouble.redirect }).end();
  } else if (typeof trouble === 'object') {
    const { status, errors = [], retryAfter } = trouble;
    const after = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
    response.writeHead(status, { ...JSON_TYPE, ...after }).end(JSON.stringify({ errors }));
  } else if (trouble === 'break') {
    response.writeHead(200, { ...JSON_TYPE, 'content-length': '1000' });
    response.write('{"data":{', () => response.destroy());
  } else if (trouble === 'slow') {
    response.writeHead(200, JSON_TYPE);
    const timer = setInterval(() => response.write(' '), 20);
    response.once('close', () => clearInterval(timer));
  } else if (trouble === 'oversize') {
    response.writeHead(200, JSON_TYPE).end(JSON.stringify({ data: { data: 'x'.repeat(4 * 1024 * 1024) } }));
  } else if (trouble === 'malformed') {
    response.writeHead(200, JSON_TYPE).end('{"data": {"data": {"key": "canary-in-malformed"');
  } else if (trouble === 'html') {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>canary-in-html</html>');
  }
}

function parsed(body: string): Record<string, unknown> {
  return body === '' ? {} : (JSON.parse(body) as Record<string, unknown>);
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
