import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { readPrivateFile, StartError } from '#kernel';
import { KEY_BYTES } from '../aead.ts';
import { MasterKey } from '../master-key.ts';
import { VaultFailure } from './failure.ts';
import type { TransitKey } from './transit.ts';

const WRAPPED = /^vault:v\d+:[A-Za-z0-9+/=]+$/;

export interface KeyFiles {
  readonly path: string;
  /** Whether one is made where there is none. */
  readonly create: boolean;
  /** Of the key that this one takes over from. Either form. */
  readonly previousPath: string | undefined;
}

/**
 * The master key out of a file that is of no use without the server: it holds what transit wrapped. Rejects with a
 * StartError where it is not wrapped, or where the server does not open it.
 */
export async function openWrappedKey(
  { path, create, previousPath }: KeyFiles,
  transit: TransitKey,
): Promise<MasterKey> {
  if (!existsSync(path)) {
    if (!create || previousPath !== undefined)
      throw new StartError(`the master key file ${path} does not exist`);
    const wrapped = await needed(transit.wrap(randomBytes(KEY_BYTES)));
    writeFileSync(path, `${wrapped}\n`, { mode: 0o600, flag: 'wx' });
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
