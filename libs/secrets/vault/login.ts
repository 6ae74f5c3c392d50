import { readFileSync } from 'node:fs';
import { readPrivateFile } from '#kernel';
import { Secret } from '../secret.ts';
import { VaultFailure } from './failure.ts';
import { vaultPath } from './path.ts';
import { record, type Reply } from './reply.ts';
import type { VaultClient } from './vault-client.ts';

/** How this process proves who it is. Files are read at each login, for they are replaced. */
export type LoginSettings =
  | {
      readonly method: 'approle';
      readonly mount: string;
      readonly role: string;
      readonly roleIdFile: string;
      /** Holds a response-wrapping token, and after it was opened nothing of worth. */
      readonly wrappedSecretIdFile: string;
    }
  | {
      readonly method: 'kubernetes' | 'jwt';
      readonly mount: string;
      readonly role: string;
      readonly jwtFile: string;
    }
  | { readonly method: 'token'; readonly tokenFile: string };

/** A token as a login gives it. */
export interface Issued {
  readonly token: Secret;
  /** Seconds; 0 where it never ends. */
  readonly ttl: number;
  readonly renewable: boolean;
  readonly policies: readonly string[];
}

/** Gets tokens. Rejects with a VaultFailure, `unauthenticated` where the server knows who asks and refuses. */
export interface Login {
  issue(): Promise<Issued>;
}

export function loginOf(client: VaultClient, settings: LoginSettings): Login {
  switch (settings.method) {
    case 'approle':
      return new AppRoleLogin(client, settings);
    case 'kubernetes':
    case 'jwt':
      return { issue: () => byJwt(client, settings) };
    case 'token':
      return { issue: () => byToken(client, settings.tokenFile) };
  }
}

type AppRole = LoginSettings & { method: 'approle' };

/**
 * The secret-id comes wrapped and is opened once, by this process. One that was opened before was opened by somebody
 * else: that is the alarm the wrapping is for.
 */
class AppRoleLogin implements Login {
  #secretId: Secret | undefined;
  #opened: string | undefined;
  /** One alarm for each is enough. */
  #stolen: string | undefined;

  constructor(
    private readonly client: VaultClient,
    private readonly settings: AppRole,
  ) {}

  async issue(): Promise<Issued> {
    const { mount, roleIdFile, wrappedSecretIdFile } = this.settings;
    const wrapped = readText(wrappedSecretIdFile);
    if (wrapped === this.#stolen)
      throw new VaultFailure('unauthenticated', { detail: 'a new secret-id is needed' });
    if (wrapped !== this.#opened) {
      this.#secretId = await this.#unwrap(new Secret(wrapped)).catch((error: unknown) => {
        if (error instanceof VaultFailure && error.reason === 'theft') this.#stolen = wrapped;
        throw error;
      });
      this.#opened = wrapped;
    }
    const reply = await this.client.ask({
      method: 'POST',
      path: vaultPath('auth', mount, 'login'),
      body: { role_id: readText(roleIdFile), secret_id: this.#secretId?.reveal() },
    });
    return issuedBy(reply);
  }

  async #unwrap(token: Secret): Promise<Secret> {
    const { mount, role } = this.settings;
    const body = { token: token.reveal() };
    const looked = await this.client.ask({ method: 'POST', path: vaultPath('sys/wrapping/lookup'), body });
    const from = String(looked.data['creation_path']);
    // Whoever stole it may have put one of their own making in its place.
    if (looked.status !== 200 || from !== `auth/${mount}/role/${role}/secret-id`)
      throw new VaultFailure('theft', {
        status: looked.status,
        detail: looked.status === 200 ? 'it wraps something else' : 'it was opened before, or never was',
      });
    const opened = await this.client.ask({ method: 'POST', path: vaultPath('sys/wrapping/unwrap'), token });
    const secretId = opened.data['secret_id'];
    if (opened.status !== 200 || typeof secretId !== 'string')
      throw new VaultFailure('theft', { status: opened.status, detail: 'somebody was faster' });
    return new Secret(secretId);
  }
}

async function byJwt(
  client: VaultClient,
  { mount, role, jwtFile }: LoginSettings & { method: 'kubernetes' | 'jwt' },
): Promise<Issued> {
  const reply = await client.ask({
    method: 'POST',
    path: vaultPath('auth', mount, 'login'),
    // Projected by the orchestrator, who chooses the mode of the file.
    body: { role, jwt: textOf(jwtFile, readFileSync(jwtFile, 'utf8')) },
  });
  return issuedBy(reply);
}

async function byToken(client: VaultClient, file: string): Promise<Issued> {
  const token = new Secret(readText(file));
  const { status, data } = await client.ask({
    method: 'GET',
    path: vaultPath('auth/token/lookup-self'),
    token,
  });
  if (status !== 200) throw new VaultFailure('unauthenticated', { status });
  return {
    token,
    ttl: numberOf(data['ttl']),
    renewable: data['renewable'] === true,
    policies: [...textsOf(data['policies']), ...textsOf(data['identity_policies'])],
  };
}

/** What a login or a renewal answers. */
export function issuedBy(reply: Reply): Issued {
  const { status } = reply;
  const auth = record(reply.body['auth']);
  const token = auth['client_token'];
  if (status !== 200) throw new VaultFailure('unauthenticated', { status });
  if (typeof token !== 'string' || token === '') throw new VaultFailure('malformed', { status });
  return {
    token: new Secret(token),
    ttl: numberOf(auth['lease_duration']),
    renewable: auth['renewable'] === true,
    policies: [
      ...textsOf(auth['policies']),
      ...textsOf(auth['token_policies']),
      ...textsOf(auth['identity_policies']),
    ],
  };
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : 0;
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

function readText(path: string): string {
  return textOf(path, readPrivateFile(path).toString());
}

function textOf(path: string, content: string): string {
  const text = content.trim();
  if (text === '' || /\s/.test(text)) throw new Error(`${path} must hold one word`);
  return text;
}
