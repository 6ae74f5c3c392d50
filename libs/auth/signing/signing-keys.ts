import { Injectable } from '@nestjs/common';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { Database, type SystemTx } from '#database';
import { MasterKey } from '#secrets';
import { AuthConfig } from '../auth.config.ts';
import { insertSigningKey, readDeploymentId, readSigningKeys } from './signing-key.store.ts';

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: Jwk;
}

/** RFC 7517; an EC public key on P-256. */
export type Jwk = { readonly [member: string]: string };

/** A token with a key id we do not know makes us look again, but not more often than this. */
const RELOAD_MS = 5_000;

/**
 * The keys that sign access tokens (ES256, RFC 7518 section 3.4). Private halves are stored wrapped by the master
 * key and opened only in memory.
 */
@Injectable()
export class SigningKeys {
  #keys = new Map<string, SigningKey>();
  #current: SigningKey | undefined;
  #loadedAt = -Infinity;
  #issuer = '';

  constructor(
    private readonly database: Database,
    private readonly masterKey: MasterKey,
    private readonly config: AuthConfig,
  ) {}

  /** Makes the key of a new deployment; the caller records it. */
  async create(tx: SystemTx): Promise<string> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = publicKey.export({ format: 'jwk' }) as Record<string, string>;
    const kid = thumbprint(jwk);
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
    await insertSigningKey(tx, {
      kid,
      publicJwk: JSON.stringify({ ...jwk, kid, alg: 'ES256', use: 'sig' }),
      wrappedPrivate: this.masterKey.wrap(pkcs8, `signing_key:${kid}`),
    });
    return kid;
  }

  /** The `iss` of access tokens; the same on every replica. Known once a key was asked for. */
  get issuer(): string {
    return this.#issuer;
  }

  /** The key that signs now. */
  async current(): Promise<SigningKey> {
    if (!this.#current) await this.#load();
    if (!this.#current) throw new Error('there is no signing key: the deployment is not set up');
    return this.#current;
  }

  /** The public key of an id, or undefined. */
  async publicKey(kid: string): Promise<KeyObject | undefined> {
    if (!this.#keys.has(kid) && performance.now() - this.#loadedAt > RELOAD_MS) await this.#load();
    return this.#keys.get(kid)?.publicKey;
  }

  /** What verifiers elsewhere need (RFC 7517 section 5). */
  async jwks(): Promise<{ keys: Jwk[] }> {
    await this.#load();
    return { keys: [...this.#keys.values()].map((key) => key.jwk) };
  }

  async #load(): Promise<void> {
    const { rows, deploymentId } = await this.database.acrossOrgs('signing_keys', async (tx) => ({
      rows: await readSigningKeys(tx),
      deploymentId: await readDeploymentId(tx),
    }));
    this.#issuer = this.config.publicUrl ?? `urn:uuid:${deploymentId}`;
    const keys = rows.map((row): SigningKey => {
      const jwk = JSON.parse(row.public_jwk) as Jwk;
      const pkcs8 = this.masterKey.unwrap(row.wrapped_private, `signing_key:${row.kid}`);
      return {
        kid: row.kid,
        jwk,
        publicKey: createPublicKey({ key: jwk, format: 'jwk' }),
        privateKey: createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }),
      };
    });
    this.#keys = new Map(keys.map((key) => [key.kid, key]));
    this.#current = keys.at(-1);
    this.#loadedAt = performance.now();
  }
}

/** JWK thumbprint (RFC 7638): required members in lexical order. */
function thumbprint(jwk: Record<string, string>): string {
  const { crv, kty, x, y } = jwk;
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
}
