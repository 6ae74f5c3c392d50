import { readFileSync } from 'node:fs';
import { type Clock, ConfigError, type Values } from '#kernel';
import { type LoginSettings, loginOf } from './login.ts';
import { isVaultPath } from './path.ts';
import { type SessionEvents, VaultSession } from './session.ts';
import { type VaultAddress, VaultClient } from './vault-client.ts';
import type { secretSettings } from './vault.settings.ts';
import { Vault } from './vault.ts';

/** Where the server is, who we are there, and what of it is ours. */
export interface VaultConfig {
  readonly at: VaultAddress;
  readonly login: LoginSettings;
  readonly kvMount: string;
  readonly prefix: string;
  readonly transitMount: string;
  /** What wraps the master key. */
  readonly transitKey: string | undefined;
  /** What signs checkpoints. */
  readonly checkpointKey: string | undefined;
}

type Config = Values<typeof secretSettings>;

/** Undefined where no server is configured. Throws a ConfigError that names every setting that is wrong. */
export function vaultConfig(config: Config): VaultConfig | undefined {
  const problems: string[] = [];
  const { vaultAddress: address } = config;
  if (address === undefined) {
    if (
      config.secretStore === 'vault' ||
      config.vaultTransitKey !== undefined ||
      config.vaultTransitCheckpointKey !== undefined ||
      config.databaseCredentials !== 'url'
    )
      throw new ConfigError(['PORTCULLIS_VAULT_ADDRESS must say where the server is']);
    return undefined;
  }
  const url = new URL(address);
  if (url.protocol === 'http:' && !LOCAL.has(url.hostname))
    problems.push('PORTCULLIS_VAULT_ADDRESS must begin with https://, for it is not this machine');
  if (
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== '' ||
    url.password !== ''
  )
    problems.push('PORTCULLIS_VAULT_ADDRESS must have no path, no query and no user');
  const named = {
    AUTH_MOUNT: config.vaultAuthMount,
    ROLE: config.vaultRole,
    KV_MOUNT: config.vaultKvMount,
    PREFIX: config.vaultPrefix,
    DATABASE_MOUNT: config.vaultDatabaseMount,
    TRANSIT_MOUNT: config.vaultTransitMount,
    TRANSIT_KEY: config.vaultTransitKey,
    TRANSIT_CHECKPOINT_KEY: config.vaultTransitCheckpointKey,
    NAMESPACE: config.vaultNamespace,
  };
  for (const [name, text] of Object.entries(named)) {
    if (text !== undefined && !isVaultPath(text))
      problems.push(`PORTCULLIS_VAULT_${name} must be segments of A-Z a-z 0-9 . _ - with / between them`);
  }
  const login = loginSettings(config, problems);
  if (problems.length > 0 || login === undefined) throw new ConfigError(problems);
  return {
    at: {
      address: url.origin,
      namespace: config.vaultNamespace,
      ca: config.vaultCaFile === undefined ? undefined : readFileSync(config.vaultCaFile, 'utf8'),
      deadlineMs: config.vaultTimeoutMs,
    },
    login,
    kvMount: config.vaultKvMount,
    prefix: config.vaultPrefix,
    transitMount: config.vaultTransitMount,
    transitKey: config.vaultTransitKey,
    checkpointKey: config.vaultTransitCheckpointKey,
  };
}

const LOCAL = new Set(['127.0.0.1', 'localhost', '[::1]']);

function loginSettings(config: Config, problems: string[]): LoginSettings | undefined {
  const { vaultAuth: method, vaultRole: role } = config;
  const mount = config.vaultAuthMount ?? method;
  const file = (path: string | undefined, variable: string): string => {
    if (path === undefined) problems.push(`${variable} must name a file`);
    return path ?? '';
  };
  switch (method) {
    case 'approle':
      return {
        method,
        mount,
        role,
        roleIdFile: file(config.vaultRoleIdFile, 'PORTCULLIS_VAULT_ROLE_ID_FILE'),
        wrappedSecretIdFile: file(config.vaultSecretIdFile, 'PORTCULLIS_VAULT_SECRET_ID_FILE'),
      };
    case 'kubernetes':
    case 'jwt':
      return { method, mount, role, jwtFile: config.vaultJwtFile };
    case 'token':
      if (config.vaultAllowToken === 'no')
        problems.push(
          'PORTCULLIS_VAULT_AUTH is token, which needs PORTCULLIS_VAULT_ALLOW_TOKEN=yes: not for production',
        );
      return { method, tokenFile: file(config.vaultTokenFile, 'PORTCULLIS_VAULT_TOKEN_FILE') };
  }
}

/** Nothing is asked yet. */
export function vaultOf({ at, login }: VaultConfig, clock: Clock, events: SessionEvents): Vault {
  const client = new VaultClient(at);
  return new Vault(client, new VaultSession(client, loginOf(client, login), clock, events), at.deadlineMs);
}
