import { createHmac, randomBytes } from 'node:crypto';
import { deriveKey, KEY_BYTES, seal, unseal } from '../aead.ts';
import type { MasterKey } from '../master-key.ts';

/** What a ciphertext is bound to: it opens nowhere else. */
export interface BoundTo {
  readonly orgId: string;
  readonly secretId: string;
  readonly path: string;
  readonly version: number;
}

/** The key of one organization: its secrets are encrypted by what is derived from it, and their digests keyed. */
export class OrgKey {
  readonly #encryption: Buffer;
  readonly #digest: Buffer;

  private constructor(
    readonly id: string,
    key: Buffer,
  ) {
    this.#encryption = deriveKey(key, 'secrets');
    this.#digest = deriveKey(key, 'secret-digests');
  }

  /** A new key, wrapped by the master key for its row. */
  static wrapped(masterKey: MasterKey, orgId: string, id: string): string {
    return masterKey.wrap(randomBytes(KEY_BYTES), contextOf(orgId, id));
  }

  /** Throws where the row is another's, or was altered. */
  static open(masterKey: MasterKey, orgId: string, id: string, wrapped: string): OrgKey {
    return new OrgKey(id, masterKey.unwrap(wrapped, contextOf(orgId, id)));
  }

  encrypt(fields: Readonly<Record<string, string>>, bound: BoundTo): Buffer {
    return seal(this.#encryption, Buffer.from(JSON.stringify(fields)), aadOf(bound, this.id));
  }

  /** Throws where the row was moved (another organization, secret, path, version) or altered. */
  decrypt(ciphertext: Buffer, bound: BoundTo): Record<string, string> {
    const plain = unseal(this.#encryption, ciphertext, aadOf(bound, this.id));
    return JSON.parse(plain.toString()) as Record<string, string>;
  }

  /** The digest of each value. */
  digests(fields: Readonly<Record<string, string>>): Record<string, string> {
    return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, this.digest(value)]));
  }

  /** HMAC-SHA-256 of a value, base64url: tells equal values of one organization, and nothing without its key. */
  digest(value: string): string {
    return createHmac('sha256', this.#digest).update(value).digest('base64url');
  }
}

function contextOf(orgId: string, id: string): string {
  return `org_key:${orgId}:${id}`;
}

function aadOf({ orgId, secretId, path, version }: BoundTo, keyId: string): string {
  return JSON.stringify(['secret', orgId, path, version, secretId, keyId]);
}
