import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { readPrivateFile, StartError } from '#kernel';
import { KEY_BYTES } from '../aead.ts';
import { type KeyFiles, MasterKey } from '../master-key.ts';
import { VaultFailure } from './failure.ts';
import type { TransitKey } from './transit.ts';

const WRAPPED = /^vault:v\d+:[A-Za-z0-9+/=]+$/;

/**
 * The master key out of a file that is of no use without the server: it holds what transit wrapped. Undefined where
 * there is none and one may be made. Rejects with a StartError where it is not wrapped, or where the server does not
 * open it.
 */
export async function readWrappedKey(
  { path, create, previousPath }: KeyFiles,
  transit: TransitKey,
): Promise<MasterKey | undefined> {
  if (!existsSync(path)) {
    if (create && previousPath === undefined) return undefined;
    throw new StartError(`the master key file ${path} does not exist`);
  }
  const current = readText(path);
  if (!WRAPPED.test(current)) {
    throw new StartError(
      `the master key file ${path} is not wrapped by transit, as PORTCULLIS_VAULT_TRANSIT_KEY says it is`,
    );
  }
  return new MasterKey(
    await needed(transit.unwrap(current)),
    previousPath === undefined ? undefined : await needed(eitherForm(readText(previousPath), transit)),
  );
}

/** Makes a key and its file. */
export async function makeWrappedKey(path: string, transit: TransitKey): Promise<MasterKey> {
  const key = randomBytes(KEY_BYTES);
  const wrapped = await needed(transit.wrap(key));
  writeFileSync(path, `${wrapped}\n`, { mode: 0o600, flag: 'wx' });
  return new MasterKey(key);
}

async function needed<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    if (!(error instanceof VaultFailure)) throw error;
    throw new StartError(`nothing starts without the master key, which transit wraps; ${error.message}`, {
      cause: error,
    });
  });
}

async function eitherForm(text: string, transit: TransitKey): Promise<Buffer> {
  return WRAPPED.test(text) ? transit.unwrap(text) : Buffer.from(text, 'base64url');
}

function readText(path: string): string {
  return readPrivateFile(path).toString().trim();
}
