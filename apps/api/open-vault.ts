import { join } from 'node:path';
import type { DatabaseUrls } from '#database';
import type { AppLogger } from '#http';
import { SystemClock, type Values } from '#kernel';
import {
  MasterKey,
  makeWrappedKey,
  readWrappedKey,
  recordTheft,
  TransitKey,
  TransitSigner,
  type Vault,
  vaultConfig,
  type VaultConfig,
  VaultDatabaseLogins,
  vaultOf,
} from '#secrets';
import type { settings } from './settings.ts';

type Config = Values<typeof settings>;

export interface OpenVault {
  readonly vault: Vault;
  readonly config: VaultConfig;
}

/** The server that secrets lie in, or that wraps the master key. Undefined where none is configured. */
export async function openVault(
  settings: Config,
  urls: DatabaseUrls,
  logger: AppLogger,
): Promise<OpenVault | undefined> {
  const config = vaultConfig(settings);
  if (!config) return undefined;
  const clock = new SystemClock();
  const vault = vaultOf(config, clock, {
    theft: async (failure) => {
      logger.fatal(failure, 'secrets');
      await recordTheft(urls, clock, failure.message).catch((error: unknown) =>
        logger.error(error, 'secrets'),
      );
    },
    failed: (error) => logger.warn(error, 'secrets'),
  });
  try {
    if (!(await vault.open()))
      logger.warn('the secret store does not answer; the start goes on without it', 'secrets');
    return { vault, config };
  } catch (error) {
    await vault.close();
    throw error;
  }
}

/** Logins of the pools where the server gives them. */
export function databaseLogins(
  { databaseCredentials: kind, vaultDatabaseMount: mount }: Config,
  server: OpenVault | undefined,
): VaultDatabaseLogins | undefined {
  return kind === 'url' || !server ? undefined : new VaultDatabaseLogins(server.vault, mount, kind);
}

/** What signs checkpoints where the server does. */
export function checkpointSigner(server: OpenVault | undefined): TransitSigner | undefined {
  const { checkpointKey, transitMount } = server?.config ?? {};
  if (!server || checkpointKey === undefined || transitMount === undefined) return undefined;
  return new TransitSigner(server.vault, transitMount, checkpointKey);
}

/** The master key as it was found, and how one is made where there is none yet. */
export interface MasterKeys {
  readonly path: string;
  readonly found: MasterKey | undefined;
  readonly make: () => Promise<MasterKey>;
}

/** Out of its file, which transit opens where that is configured. Writes nothing. */
export async function readMasterKeys(settings: Config, server: OpenVault | undefined): Promise<MasterKeys> {
  const path = settings.masterKeyFile ?? join(settings.dataDir, 'master.key');
  const files = { path, create: !settings.masterKeyFile, previousPath: settings.previousMasterKeyFile };
  const { transitKey, transitMount } = server?.config ?? {};
  if (!server || transitKey === undefined || transitMount === undefined) {
    return { path, found: MasterKey.read(files), make: async () => MasterKey.make(path) };
  }
  const transit = new TransitKey(server.vault, transitMount, transitKey);
  return { path, found: await readWrappedKey(files, transit), make: () => makeWrappedKey(path, transit) };
}
