import { Injectable } from '@nestjs/common';
import { type AccessRequest, type AskedProof, Authenticator } from '#access';
import { Database, type SystemTx } from '#database';
import { type Caller, Clock, type FaultAudit, type RequestFacts, tokenDigest } from '#kernel';
import { AccessTokens, keyIdOf } from './access-tokens.ts';
import { readApiKey } from './api-keys/api-key-secret.ts';
import { ApiKeySecrets } from './api-keys/api-key-secrets.ts';
import { KeyActivity } from './api-keys/key-activity.ts';
import { KeyRehash } from './api-keys/key-rehash.ts';
import { AuthFault } from './auth.faults.ts';
import { type ApiKeyFacts, type Authority, AuthorityCaller } from './authority.ts';
import { AuthorityCache } from './authority-cache.ts';
import { addressAllowed } from './policy/org-policy.ts';
import { readApiKeyAuthority, readEndedKey, readSessionAuthority } from './authority.store.ts';
import { SessionActivity } from './sessions/session-activity.ts';
import { SigningKeys } from './signing/signing-keys.ts';
import { StepUps } from './step-up/step-up.ts';

/** Verified credentials remembered; one is about 200 bytes. */
const REMEMBERED = 100_000;

/** A credential whose signature or secret was verified before. Says nothing of liveness. */
interface Verified {
  readonly authorityKey: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  /** For keys: the stored digest it was verified against. */
  readonly digest: string | undefined;
  /** For tokens: the key that signed it, which may be withdrawn. */
  readonly kid: string | undefined;
  /** Where a refusal is recorded: whose credential it is was proven, also after it ended. */
  readonly audit: FaultAudit;
}

/**
 * Access tokens and API keys into callers. What was verified once is remembered by the SHA-256 of the credential;
 * liveness is asked on every request, from the cache while that is proven fresh, from the database otherwise.
 */
@Injectable()
export class BearerAuthenticator extends Authenticator {
  readonly #verified = new Map<string, Verified>();

  constructor(
    private readonly tokens: AccessTokens,
    private readonly cache: AuthorityCache,
    private readonly database: Database,
    private readonly activity: SessionActivity,
    private readonly clock: Clock,
    private readonly secrets: ApiKeySecrets,
    private readonly signingKeys: SigningKeys,
    private readonly keyActivity: KeyActivity,
    private readonly keyRehash: KeyRehash,
    private readonly stepUps: StepUps,
  ) {
    super();
  }

  authenticate(request: AccessRequest): Caller | Promise<Caller> {
    const credential = credentialOf(request.headers);
    const digest = digestOn(request.connection, credential);
    const verified = this.#verified.get(digest);
    if (verified && (verified.kid === undefined || this.signingKeys.accepts(verified.kid))) {
      const authority = this.cache.get(verified.authorityKey);
      if (authority) {
        const caller = this.#admit(verified, authority, request.facts, credential);
        if (caller) return caller;
      }
    }
    return this.#look(credential, digest, request.facts);
  }

  async requireProof(caller: Caller, asked: AskedProof): Promise<void> {
    if (!(caller instanceof AuthorityCaller)) throw AuthFault.sessions_only();
    await this.stepUps.require(caller, asked);
  }

  /** The slow path: verify what is unknown, load what is not cached. */
  async #look(credential: string, digest: string, facts: RequestFacts): Promise<Caller> {
    const keyId = readApiKey(credential);
    if (keyId !== undefined) return this.#lookKey(keyId, credential, digest, facts);
    const known = this.#verified.get(digest);
    if (known?.kid !== undefined && known.expiresAt > this.clock.now().getTime()) {
      await this.signingKeys.refresh();
      const authority = await this.#session(known);
      return (
        this.#admit(known, authority, facts, credential) ??
        refuse(AuthFault.session_ended({ audit: known.audit }))
      );
    }
    const { sid, sub, org, exp } = await this.tokens.verify(credential);
    const audit = { orgId: org, actorId: sub };
    const verified = {
      authorityKey: `session:${sid}`,
      expiresAt: exp * 1_000,
      digest: undefined,
      kid: keyIdOf(credential),
      audit,
    };
    const authority = await this.#session(verified);
    // What others read from the token must be what it stands for here.
    if (sub !== authority.userId || org !== authority.org.id)
      throw AuthFault.invalid_token({ detail: 'person or organization' });
    this.#remember(digest, verified);
    return this.#admit(verified, authority, facts, credential) ?? refuse(AuthFault.session_ended({ audit }));
  }

  /** The session of a token, asked together with the key that signed the token where the lease does not prove it. */
  async #session({ authorityKey, kid = '', audit }: Verified): Promise<Authority> {
    const found = await this.#load(authorityKey, async (tx) => {
      // Of a key that was withdrawn nothing is proven any more, not even whose token it was.
      if (!(await this.signingKeys.acceptsIn(tx, kid)))
        throw AuthFault.invalid_token({ detail: 'key withdrawn' });
      return readSessionAuthority(tx, authorityKey.slice('session:'.length));
    });
    return found ?? refuse(AuthFault.session_ended({ audit }));
  }

  async #lookKey(id: string, credential: string, digest: string, facts: RequestFacts): Promise<Caller> {
    const authority = await this.#load(`api_key:${id}`, (tx) => readApiKeyAuthority(tx, id));
    const stored = authority?.apiKey && (await this.secrets.match(credential, authority.apiKey));
    if (!authority || stored === undefined)
      throw AuthFault.invalid_api_key({ audit: await this.#endedKey(id, credential) });
    const audit = keyAudit(authority.org.id, id);
    const verified = {
      authorityKey: authority.key,
      expiresAt: authority.expiresAt,
      digest: stored,
      kid: undefined,
      audit,
    };
    this.#remember(digest, verified);
    return (
      this.#admit(verified, authority, facts, credential) ?? refuse(AuthFault.invalid_api_key({ audit }))
    );
  }

  /** Whose key it was, where the secret is the one it had: only then is the organization told of its use. */
  async #endedKey(id: string, credential: string): Promise<FaultAudit | undefined> {
    const ended = await this.database.acrossOrgs('authenticate', (tx) => readEndedKey(tx, id));
    if (!ended) return undefined;
    const { digest, pepper_id: pepperId } = ended;
    const proven = (await this.secrets.match(credential, { digest, pepperId })) !== undefined;
    return proven ? keyAudit(ended.org_id, id) : undefined;
  }

  #load(key: string, read: (tx: SystemTx) => Promise<Authority | undefined>): Promise<Authority | undefined> {
    return this.cache.load(key, () => this.database.acrossOrgs('authenticate', read));
  }

  /** The caller, or undefined where the credential has run out meanwhile; throws where the address is not allowed. */
  #admit(
    verified: Verified,
    authority: Authority,
    facts: RequestFacts,
    credential: string,
  ): AuthorityCaller | undefined {
    const now = this.clock.now().getTime();
    if (
      now >= verified.expiresAt ||
      now >= authority.expiresAt ||
      now - authority.lastUsed >= authority.idleMs
    ) {
      return undefined;
    }
    if (!addressAllowed(authority.policyCidrs, facts.ip)) {
      throw AuthFault.address_not_allowed({ audit: verified.audit });
    }
    if (authority.apiKey) {
      if (!stillAccepted(authority.apiKey, verified.digest, now)) return undefined;
      if (!addressAllowed(authority.apiKey.allowedCidrs, facts.ip)) {
        throw AuthFault.invalid_api_key({ audit: { ...verified.audit, reason: 'address_not_allowed' } });
      }
      this.keyActivity.touch(authority.id, now, facts.ip);
      const { digest, pepperId } = authority.apiKey;
      if (verified.digest === digest) this.keyRehash.used(authority.id, credential, digest, pepperId);
    } else {
      authority.lastUsed = now;
      this.activity.touch(authority, now);
    }
    return new AuthorityCaller(authority, facts);
  }

  #remember(digest: string, verified: Verified): void {
    const oldest = this.#verified.size >= REMEMBERED ? this.#verified.keys().next().value : undefined;
    if (oldest !== undefined) this.#verified.delete(oldest);
    this.#verified.set(digest, verified);
  }
}

/** The digest of a credential; the one before on this connection mostly was the same. */
function digestOn(memory: AccessRequest['connection'], credential: string): string {
  if (memory.credential !== credential || memory.digest === undefined) {
    memory.digest = tokenDigest(credential);
    memory.credential = credential;
  }
  return memory.digest;
}

function keyAudit(orgId: string, id: string): FaultAudit {
  return { orgId, actorId: id, actorType: 'api_key' };
}

function refuse(fault: Error): never {
  throw fault;
}

/** The credential of a request: a bearer token or key, or a key in X-API-Key; both at once are refused. */
function credentialOf(headers: AccessRequest['headers']): string {
  const authorization = headers['authorization'];
  const apiKey = headers['x-api-key'];
  if (typeof authorization === 'string' && apiKey === undefined) {
    if (authorization.startsWith('Bearer ') || authorization.startsWith('bearer '))
      return authorization.slice(7);
    throw AuthFault.credential_missing();
  }
  if (typeof apiKey === 'string' && authorization === undefined) return apiKey;
  throw AuthFault.credential_missing();
}

function stillAccepted(key: ApiKeyFacts, digest: string | undefined, now: number): boolean {
  return digest === key.digest || (digest === key.previousDigest && now < key.previousUntil);
}
