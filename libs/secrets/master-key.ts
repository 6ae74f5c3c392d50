import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { readPrivateFile, sameSecret, StartError } from '#kernel';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * The key that every secret in the database is wrapped by. It lies in a file of its own, never in the database:
 * a stolen database alone opens nothing.
 */
export class MasterKey {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    if (key.length !== KEY_BYTES) throw new Error(`the master key must have ${KEY_BYTES} bytes`);
    this.#key = key;
  }

  /** Reads the key file (base64url, mode 0600 or 0640), or makes one where `create` allows it. */
  static fromFile(path: string, create: boolean): MasterKey {
    if (!existsSync(path)) {
      if (!create) throw new StartError(`the master key file ${path} does not exist`);
      writeFileSync(path, `${randomBytes(KEY_BYTES).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
    }
    const key = Buffer.from(readPrivateFile(path).toString().trim(), 'base64url');
    if (key.length !== KEY_BYTES) {
      throw new StartError(`the master key file ${path} must hold ${KEY_BYTES} bytes as base64url`);
    }
    return new MasterKey(key);
  }

  /** A key for one purpose (HKDF, RFC 5869); different purposes never share a key. */
  derive(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#key, '', `portcullis:${purpose}`, KEY_BYTES));
  }

  /** What the database remembers of the key, to tell a wrong one before anything is written. Reveals nothing. */
  get checkValue(): string {
    return this.derive('check').toString('base64url');
  }

  matches(checkValue: string): boolean {
    return sameSecret(this.checkValue, checkValue);
  }

  /** AES-256-GCM; `context` (kind and id of the row) is authenticated, so that a wrapped value opens only there. */
  wrap(plain: Buffer, context: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.derive('wrap'), nonce).setAAD(Buffer.from(context));
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString(
      'base64url',
    );
  }

  /** Throws where the key or the context is another, or the value was altered. */
  unwrap(wrapped: string, context: string): Buffer {
    const bytes = Buffer.from(wrapped, 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', this.derive('wrap'), bytes.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(context))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  }
}
