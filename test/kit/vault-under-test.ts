import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#kernel';
import { inVault, vaultConfig, type VaultConfig, vaultOf } from '#secrets';
import { parsePolicy } from './vault/policy.ts';
import { VaultServer } from './vault-server.ts';

const POLICY = fileURLToPath(new URL('../../deploy/vault/policies/portcullis.hcl', import.meta.url));

/** A server that the product may use, with the policy of deploy/vault and no other right. */
export interface VaultUnderTest {
  readonly config: VaultConfig;
  /** The stand-in, where that is what serves. */
  readonly fake: VaultServer | undefined;
  /** The store of secrets in it. */
  remote(clock: Clock): ReturnType<typeof inVault>;
  stop(): Promise<void>;
}

/** The stand-in; or the server at VAULT_ADDR, where VAULT_TOKEN may set one up. */
export async function vaultUnderTest(allowReal = false, timeoutMs = 5_000): Promise<VaultUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-vault-'));
  const tokenFile = join(folder, 'token');
  const { VAULT_ADDR: address, VAULT_TOKEN: root } = process.env;
  const real = allowReal && address !== undefined && root !== undefined ? { address, root } : undefined;
  const fake = real ? undefined : await VaultServer.start();
  const kvMount = real ? `portcullis-${randomUUID().slice(0, 8)}` : 'kv';
  const names = {
    kv: kvMount,
    prefix: 'portcullis',
    transit: 'transit',
    master_key: 'portcullis',
    checkpoint_key: 'portcullis-checkpoints',
  };
  const token = real ? await prepare(real, kvMount, names) : fakeToken(fake, names);
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const config = vaultConfig({
    ...unset,
    vaultTimeoutMs: timeoutMs,
    vaultAddress: real?.address ?? fake?.url,
    vaultTokenFile: tokenFile,
    vaultKvMount: kvMount,
  });
  if (!config) throw new Error('no address');
  return {
    config,
    fake,
    remote: (clock) => {
      const events = { theft: async () => undefined, failed: () => undefined };
      return inVault(vaultOf(config, clock, events), config);
    },
    async stop() {
      await fake?.stop();
      if (real) await admin(real, 'DELETE', `sys/mounts/${kvMount}`);
      rmSync(folder, { recursive: true });
    },
  };
}

const unset = {
  databaseCredentials: 'url',
  vaultDatabaseMount: 'database',
  secretStore: 'vault',
  vaultNamespace: undefined,
  vaultCaFile: process.env['VAULT_CACERT'],
  vaultAuth: 'token',
  vaultAuthMount: undefined,
  vaultRole: 'portcullis',
  vaultRoleIdFile: undefined,
  vaultSecretIdFile: undefined,
  vaultJwtFile: '',
  vaultAllowToken: 'yes',
  vaultPrefix: 'portcullis',
  vaultTransitMount: 'transit',
  vaultTransitKey: undefined,
  vaultTransitCheckpointKey: undefined,
} as const;

function fakeToken(fake: VaultServer | undefined, names: Record<string, string>): string {
  fake?.policy('portcullis', parsePolicy(readFileSync(POLICY, 'utf8'), names));
  return fake?.auth.issue({ policies: ['portcullis'], ttl: 86_400, maxTtl: 0 }).id ?? '';
}

interface Real {
  readonly address: string;
  readonly root: string;
}

async function prepare(real: Real, mount: string, names: Record<string, string>): Promise<string> {
  await admin(real, 'POST', `sys/mounts/${mount}`, { type: 'kv', options: { version: '2' } });
  const policy = readFileSync(POLICY, 'utf8').replaceAll(
    /@(\w+)@/g,
    (_all, name: string) => names[name] ?? '',
  );
  await admin(real, 'PUT', `sys/policies/acl/${mount}`, { policy });
  const made = await admin(real, 'POST', 'auth/token/create', { policies: [mount], ttl: '1h' });
  return (made as { auth: { client_token: string } }).auth.client_token;
}

async function admin(
  { address, root }: Real,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await fetch(`${address}/v1/${path}`, {
    method,
    headers: { 'X-Vault-Token': root, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
  const text = await answer.text();
  return text === '' ? undefined : JSON.parse(text);
}
