import { Injectable, type OnModuleInit } from '@nestjs/common';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { Database, type InvalidationListener, InvalidationStream, type SystemTx } from '#database';
import { MasterKey } from '#secrets';
import { AuthConfig } from '../auth.config.ts';
import {
  type AcceptedKeyRow,
  insertSigningKey,
  isKeyAccepted,
  readAcceptedKeys,
  readDeploymentId,
} from './signing-key.store.ts';

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

/** RFC 7517; an EC public key on P-256. */
export type Jwk = { readonly [member: string]: string };

/** The keys as the database had them at one moment. */
interface KeyRing {
  readonly issuer: string;
  readonly current: SigningKey | undefined;
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
  readonly jwks: readonly Jwk[];
}

/**
 * The keys that sign access tokens (ES256, RFC 7518 section 3.4). Private halves are stored wrapped by the master
 * key and opened only in memory. Like authority, keys are remembered only under the invalidation lease: a replica
 * whose lease has run out asks the database each time, so all sign with the same key within the lease, and a
 * withdrawn key is accepted nowhere once the withdrawal has answered.
 */
@Injectable()
export class SigningKeys implements InvalidationListener, OnModuleInit {
  #ring: KeyRing | undefined;
  /** Counts the news: what was read before any of them is not kept. */
  #news = 0;
  #issuer = '';

  constructor(
    private readonly database: Database,
    private readonly masterKey: MasterKey,
    private readonly config: AuthConfig,
    private readonly stream: InvalidationStream,
  ) {}

  onModuleInit(): void {
    this.stream.listen(this);
  }

  dropped(subjects: readonly string[]): void {
    if (subjects.some((subject) => subject.startsWith('signing_key:'))) this.lapsed();
  }

  lapsed(): void {
    this.#news += 1;
    this.#ring = undefined;
  }

  /** Makes a key; the caller records it. Answers its id. */
  async create(tx: SystemTx, state: 'next' | 'current'): Promise<string> {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = publicKey.export({ format: 'jwk' }) as Record<string, string>;
    const kid = thumbprint(jwk);
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
    await insertSigningKey(tx, {
      kid,
      publicJwk: JSON.stringify({ ...jwk, kid, alg: 'ES256', use: 'sig' }),
      wrappedPrivate: this.masterKey.wrap(pkcs8, `signing_key:${kid}`),
      state,
    });
    return kid;
  }

  /** The `iss` of access tokens; the same on every replica. Known once a key was asked for. */
  get issuer(): string {
    return this.#issuer;
  }

  /** The key that signs now. */
  async current(): Promise<SigningKey> {
    const { current } = this.#proven ?? (await this.#load());
    if (!current) throw new Error('there is no signing key: the deployment is not set up');
    return current;
  }

  /** True where a key is proven, without asking the database, to be accepted now. */
  accepts(kid: string): boolean {
    return this.#proven?.publicKeys.has(kid) === true;
  }

  /** The same in a transaction that is open anyway, where the lease proves nothing. */
  async acceptsIn(tx: SystemTx, kid: string): Promise<boolean> {
    return this.accepts(kid) || (await isKeyAccepted(tx, kid));
  }

  /** After news of keys: knows them again, as far as the lease lets anything be known. */
  async refresh(): Promise<void> {
    if (this.stream.isFresh && !this.#ring) await this.#load();
  }

  /** The public key of an id whose tokens are accepted now, or undefined. */
  async publicKey(kid: string): Promise<KeyObject | undefined> {
    return (this.#proven ?? (await this.#load())).publicKeys.get(kid);
  }

  /** What verifiers elsewhere need (RFC 7517 section 5): the current key first, the next one after it. */
  async jwks(): Promise<{ keys: readonly Jwk[] }> {
    return { keys: (this.#proven ?? (await this.#load())).jwks };
  }

  get #proven(): KeyRing | undefined {
    return this.stream.isFresh ? this.#ring : undefined;
  }

  /** Each asks for itself: what another began to read may be older than the change that this one must see. */
  async #load(): Promise<KeyRing> {
    const news = this.#news;
    const fresh = this.stream.isFresh;
    const { rows, deploymentId } = await this.database.acrossOrgs('signing_keys', async (tx) => ({
      rows: await readAcceptedKeys(tx),
      deploymentId: await readDeploymentId(tx),
    }));
    const ring = this.#ringOf(rows, this.config.publicUrl ?? `urn:uuid:${deploymentId}`);
    this.#issuer = ring.issuer;
    if (fresh && this.#news === news && this.stream.isFresh) this.#ring = ring;
    return ring;
  }

  #ringOf(rows: readonly AcceptedKeyRow[], issuer: string): KeyRing {
    const signing = rows.find(({ state }) => state === 'current');
    const jwks = rows.map((row) => JSON.parse(row.public_jwk) as Jwk);
    return {
      issuer,
      jwks,
      publicKeys: new Map(
        rows.map(({ kid }, index) => [kid, createPublicKey({ key: jwks[index]!, format: 'jwk' })]),
      ),
      current: signing && { kid: signing.kid, privateKey: this.#open(signing) },
    };
  }

  #open({ kid, wrapped_private }: AcceptedKeyRow): KeyObject {
    const key = this.masterKey.unwrap(wrapped_private, `signing_key:${kid}`);
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  }
}

/** JWK thumbprint (RFC 7638): required members in lexical order. */
function thumbprint(jwk: Record<string, string>): string {
  const { crv, kty, x, y } = jwk;
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
}
