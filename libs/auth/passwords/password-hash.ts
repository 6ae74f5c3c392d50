/**
 * Password hashes in the PHC string format (github.com/P-H-C/phc-string-format):
 * `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`, base64 without padding.
 */
export interface HashParameters {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

export interface PasswordHash extends HashParameters {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** The minimum of OWASP's Password Storage Cheat Sheet; a hash made with less is computed anew at sign-in. */
export const CURRENT: HashParameters = { memory: 19_456, passes: 2, parallelism: 1 };
export const SALT_BYTES = 16;
export const HASH_BYTES = 32;

const PHC = /^\$argon2id\$v=19\$m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

export function formatHash({ memory, passes, parallelism, salt, hash }: PasswordHash): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Throws where the text is no argon2id hash: a stored hash that cannot be read lets nobody in. */
export function parseHash(text: string): PasswordHash {
  const [, memory, passes, parallelism, salt, hash] = PHC.exec(text) ?? [];
  if (!salt || !hash) throw new Error('the stored password hash is not in the PHC format of argon2id');
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}

/** True where the hash was made with less than what is used now. */
export function isOutdated(text: string): boolean {
  const { memory, passes, parallelism } = parseHash(text);
  return memory < CURRENT.memory || passes < CURRENT.passes || parallelism !== CURRENT.parallelism;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
