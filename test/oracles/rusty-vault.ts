import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment, Clock } from '#kernel';
import { secretSettings, type Vault, vaultConfig, vaultOf, vaultPath } from '#secrets';

/**
 * The crate `rusty_vault`, run as a server, against our client: a second opinion on the wire from people who wrote a
 * server and not this client. It has AppRole, tokens, sealing and KV version 1, and lets each token do anything. It has
 * no wrapping: a proxy in front of it, ours, answers `sys/wrapping` and passes on all else.
 */
const VERSION = '0.2.1';
const CACHE = join(homedir(), '.cache', 'portcullis-oracles', `rusty_vault-${VERSION}`);
const PROGRAM = join(CACHE, 'bin', 'rvault');
const BUILD_WITHIN_MS = 45 * 60_000;
const ROLE = 'portcullis';

/** 1 where it disagrees; says why and answers 0 where it cannot be built. */
export async function askRustyVault(): Promise<number> {
  const reason = build();
  if (reason !== undefined) {
    console.log(`skipped: rusty_vault (${reason})`);
    return 0;
  }
  const server = await RustyVault.start();
  try {
    for (const [what, check] of Object.entries(checks)) {
      await check(server);
      console.log(`rusty_vault ${VERSION}: ${what}`);
    }
    return 0;
  } catch (error) {
    console.log(`rusty_vault ${VERSION} disagrees: ${String(error)}`);
    return 1;
  } finally {
    await server.stop();
  }
}

/** Why there is no program; undefined where there is one. */
function build(): string | undefined {
  if (existsSync(PROGRAM)) return undefined;
  if (spawnSync('cargo', ['--version']).error) return 'Cargo is not installed';
  mkdirSync(CACHE, { recursive: true });
  const made = spawnSync(
    'cargo',
    ['install', 'rusty_vault', '--version', VERSION, '--locked', '--root', CACHE],
    {
      encoding: 'utf8',
      timeout: BUILD_WITHIN_MS,
    },
  );
  return made.status === 0 ? undefined : `it does not build: ${(made.stderr ?? '').slice(-300)}`;
}

const checks: Record<string, (server: RustyVault) => Promise<void>> = {
  'one login by AppRole serves all who ask': async (server) => {
    await withVault(server, {}, async (vault) => {
      must(await vault.open(), 'it does not log in');
      await Promise.all(Array.from({ length: 20 }, () => vault.ask({ method: 'GET', path: mine('none') })));
      must(server.seen.filter((path) => path.endsWith('/approle/login')).length === 1, 'more than one login');
    });
  },
  'what is written is read, listed and deleted': async (server) => {
    await withVault(server, {}, async (vault) => {
      const written = await vault.ask({ method: 'POST', path: mine('a'), body: { key: 'vä1 "\n€' } });
      must(written.status === 204 || written.status === 200, `writing answers ${written.status}`);
      const read = await vault.ask({ method: 'GET', path: mine('a') });
      must(read.data['key'] === 'vä1 "\n€', 'it reads something else');
      const listed = await vault.ask({ method: 'LIST', path: vaultPath('kv1', 'portcullis') });
      // This server knows the verb LIST and not the parameter that Vault and OpenBao take in its place.
      must([200, 404].includes(listed.status), `listing answers ${listed.status}`);
      must((await vault.ask({ method: 'DELETE', path: mine('a') })).status === 204, 'it does not delete');
      must((await vault.ask({ method: 'GET', path: mine('a') })).status === 404, 'it is still there');
    });
  },
  'a token that was revoked is exchanged': async (server) => {
    await withVault(server, {}, async (vault, clock) => {
      await vault.open();
      await server.revokeAll();
      clock.ahead += 60_000;
      must((await vault.ask({ method: 'GET', path: mine('b') })).status === 404, 'it does not log in anew');
    });
  },
  'a token that the server cannot renew is exchanged when it ends': async (server) => {
    await server.role('2s');
    await withVault(server, {}, async (vault) => {
      await vault.open();
      const token = [...server.issued].at(-1) ?? '';
      const until = performance.now() + 10_000;
      while ((await server.isAlive(token)) && performance.now() < until) await sleep(100);
      must(!(await server.isAlive(token)), 'it does not end');
      must(
        (await vault.ask({ method: 'GET', path: mine('c') })).status === 404,
        'it does not serve any more',
      );
      must(
        server.seen.some((path) => path.endsWith('/renew-self')),
        'it was not asked to renew',
      );
    });
    await server.role('1h');
  },
  'a wrong secret-id and a root token are refused at the start': async (server) => {
    await withVault(server, { secretId: 'wrong' }, (vault) => refuses(vault.open(), /unauthenticated/));
    const token = { PORTCULLIS_VAULT_AUTH: 'token', PORTCULLIS_VAULT_ALLOW_TOKEN: 'yes' };
    await withVault(server, { env: token, token: server.root }, (vault) =>
      refuses(vault.open(), /root token/),
    );
  },
  'a sealed server is told from one that refuses': async (server) => {
    await withVault(server, {}, async (vault) => {
      await vault.open();
      await server.seal();
      await fails(vault.ask({ method: 'GET', path: mine('d') }), 'sealed', 'failing');
    });
  },
};

const mine = (name: string) => vaultPath('kv1', 'portcullis', name);

function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

async function fails(work: Promise<unknown>, ...reasons: string[]): Promise<void> {
  const reason = await work.then(
    () => 'nothing',
    (error: unknown) => (error as { reason?: string }).reason ?? String(error),
  );
  must(reasons.includes(reason), `it ends with ${reason} and not with ${reasons.join(' or ')}`);
}

async function refuses(work: Promise<unknown>, how: RegExp): Promise<void> {
  const message = await work.then(
    () => 'it starts',
    (error: unknown) => String(error),
  );
  must(how.test(message), message);
}

class AheadClock extends Clock {
  ahead = 0;
  override now(): Date {
    return new Date(Date.now() + this.ahead);
  }
  override monotonic(): number {
    return performance.now() + this.ahead;
  }
}

async function withVault(
  server: RustyVault,
  { env = {}, secretId, token = '-' }: { env?: Record<string, string>; secretId?: string; token?: string },
  work: (vault: Vault, clock: AheadClock) => Promise<void>,
): Promise<void> {
  server.seen.length = 0;
  const file = (name: string, text: string): string => {
    const path = join(server.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const all: Record<string, string> = {
    PORTCULLIS_VAULT_ADDRESS: server.url,
    PORTCULLIS_VAULT_ROLE_ID_FILE: file('role-id', await server.roleId()),
    PORTCULLIS_VAULT_SECRET_ID_FILE: file('secret-id', server.wrap(secretId ?? (await server.secretId()))),
    PORTCULLIS_VAULT_TOKEN_FILE: file('token', token),
    ...env,
  };
  const read = Object.entries(secretSettings).map(([name, one]) => [name, one.read(all[one.variable])]);
  const config = vaultConfig(Object.fromEntries(read) as Parameters<typeof vaultConfig>[0]);
  if (!config) throw new Error('no address');
  const clock = new AheadClock();
  const vault = vaultOf(config, clock, { theft: async () => undefined, failed: () => undefined });
  try {
    await work(vault, clock);
  } finally {
    await vault.close();
  }
}

class RustyVault {
  readonly seen: string[] = [];
  /** Tokens that logins gave. */
  readonly issued = new Set<string>();
  root = '';
  readonly #wrapped = new Map<string, string>();
  readonly #proxy = createServer((request, response) => void this.#pass(request, response));

  private constructor(
    readonly folder: string,
    private readonly child: ChildProcess,
    private readonly real: string,
  ) {}

  static async start(): Promise<RustyVault> {
    const folder = mkdtempSync(join(tmpdir(), 'portcullis-rusty-'));
    const port = await freePort();
    const config = join(folder, 'config.hcl');
    mkdirSync(join(folder, 'data'));
    writeFileSync(
      config,
      `storage "file" {\n  path = "${folder}/data"\n}
listener "tcp" {\n  address = "127.0.0.1:${port}"\n  tls_disable = "true"\n}
api_addr = "http://127.0.0.1:${port}"\nlog_level = "error"\npid_file = "${folder}/pid"\nwork_dir = "${folder}/"\n`,
    );
    const child = spawn(PROGRAM, ['server', '--config', config], {
      stdio: 'ignore',
      env: childEnvironment(),
    });
    const made = new RustyVault(folder, child, `http://127.0.0.1:${port}`);
    made.#proxy.listen(0, '127.0.0.1');
    await once(made.#proxy, 'listening');
    await made.#prepare().catch(async (error: unknown) => {
      await made.stop();
      throw error;
    });
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#proxy.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#proxy.closeAllConnections();
    this.#proxy.close();
    if (this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  wrap(secretId: string): string {
    const token = `wrapped-${this.#wrapped.size}`;
    this.#wrapped.set(token, secretId);
    return token;
  }

  async role(ttl: string): Promise<void> {
    const body = { token_policies: ROLE, token_ttl: ttl, token_max_ttl: '4h' };
    await this.#admin('POST', `auth/approle/role/${ROLE}`, body);
  }

  async roleId(): Promise<string> {
    return String((await this.#admin('GET', `auth/approle/role/${ROLE}/role-id`))['role_id']);
  }

  async secretId(): Promise<string> {
    return String((await this.#admin('POST', `auth/approle/role/${ROLE}/secret-id`, {}))['secret_id']);
  }

  /** Ends every token but that of root. */
  async revokeAll(): Promise<void> {
    for (const token of this.issued) await this.#admin('POST', `auth/token/revoke/${token}`, {});
    this.issued.clear();
  }

  async isAlive(token: string): Promise<boolean> {
    const answer = await fetch(`${this.real}/v1/auth/token/lookup-self`, {
      headers: { 'X-Vault-Token': token },
    });
    return answer.ok;
  }

  async seal(): Promise<void> {
    await this.#admin('PUT', 'sys/seal', {});
  }

  async #prepare(): Promise<void> {
    const until = performance.now() + 10_000;
    for (;;) {
      const up = await fetch(`${this.real}/v1/sys/seal-status`).catch(() => undefined);
      if (up) break;
      must(performance.now() < until, 'the server does not start');
      await sleep(100);
    }
    const shares = { secret_shares: 1, secret_threshold: 1 };
    const made = await this.#raw('PUT', 'sys/init', shares);
    this.root = String(made['root_token']);
    await this.#raw('PUT', 'sys/unseal', { key: (made['keys'] as string[])[0] });
    await this.#admin('POST', 'sys/mounts/kv1', { type: 'kv' });
    await this.#admin('POST', 'sys/auth/approle', { type: 'approle' });
    await this.role('1h');
  }

  async #admin(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const answer = await this.#raw(method, path, body);
    return (answer['data'] ?? {}) as Record<string, unknown>;
  }

  async #raw(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const answer = await fetch(`${this.real}/v1/${path}`, {
      method,
      headers: { 'X-Vault-Token': this.root, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    must(answer.ok, `${method} ${path} answers ${answer.status}: ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  }

  async #pass(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const path = (request.url ?? '').split('?')[0] ?? '';
    this.seen.push(path);
    const json = { 'content-type': 'application/json' };
    if (path.startsWith('/v1/sys/wrapping/')) {
      const named =
        body === ''
          ? String(request.headers['x-vault-token'])
          : (JSON.parse(body) as { token: string }).token;
      const secretId = this.#wrapped.get(named);
      if (path.endsWith('/unwrap')) this.#wrapped.delete(named);
      const data = path.endsWith('/unwrap')
        ? { secret_id: secretId }
        : { creation_path: `auth/approle/role/${ROLE}/secret-id` };
      response.writeHead(secretId === undefined ? 400 : 200, json).end(JSON.stringify({ data }));
      return;
    }
    const token = request.headers['x-vault-token'];
    const answer = await fetch(`${this.real}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { ...(typeof token === 'string' && { 'X-Vault-Token': token }), ...json },
      ...(body !== '' && { body }),
    });
    const text = await answer.text();
    if (path.endsWith('/login') && answer.ok) {
      const { auth } = JSON.parse(text) as { auth: { client_token: string } };
      this.issued.add(auth.client_token);
    }
    const type = answer.headers.get('content-type');
    response.writeHead(answer.status, type === null ? {} : { 'content-type': type }).end(text);
  }
}

async function freePort(): Promise<number> {
  const server = createNetServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
