import { Injectable } from '@nestjs/common';
import { type AccessRequest, type AskedProof, Authenticator } from '#access';
import { Database } from '#database';
import { type Caller, Clock, type FaultAudit, type RequestFacts, sameSecret, tokenDigest } from '#kernel';
import { AccessTokens } from './access-tokens.ts';
import { ApiKeySecrets, readApiKey } from './api-key-secret.ts';
import { AuthFault } from './auth.faults.ts';
import { type ApiKeyFacts, type Authority, AuthorityCaller } from './authority.ts';
import { AuthorityCache } from './authority-cache.ts';
import { addressAllowed } from './policy/org-policy.ts';
import { readApiKeyAuthority, readEndedKey, readSessionAuthority } from './authority.store.ts';
import { SessionActivity } from './sessions/session-activity.ts';
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
    private readonly stepUps: StepUps,
  ) {
    super();
  }

  authenticate(request: AccessRequest): Caller | Promise<Caller> {
    const credential = credentialOf(request.headers);
    const digest = digestOn(request.connection, credential);
    const verified = this.#verified.get(digest);
    if (verified) {
      const authority = this.cache.get(verified.authorityKey);
      if (authority) {
        const caller = this.#admit(verified, authority, request.facts);
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
    if (known && known.expiresAt > this.clock.now().getTime()) {
      const authority = await this.#session(known);
      return this.#admit(known, authority, facts) ?? refuse(AuthFault.session_ended({ audit: known.audit }));
    }
    const { sid, sub, org, exp } = await this.tokens.verify(credential);
    const audit = { orgId: org, actorId: sub };
    const verified = { authorityKey: `session:${sid}`, expiresAt: exp * 1_000, digest: undefined, audit };
    const authority = await this.#session(verified);
    // What others read from the token must be what it stands for here.
    if (sub !== authority.userId || org !== authority.org.id)
      throw AuthFault.invalid_token({ detail: 'person or organization' });
    this.#remember(digest, verified);
    return this.#admit(verified, authority, facts) ?? refuse(AuthFault.session_ended({ audit }));
  }

  async #session({ authorityKey, audit }: Verified): Promise<Authority> {
    const found = await this.#load(authorityKey, authorityKey.slice('session:'.length), readSessionAuthority);
    return found ?? refuse(AuthFault.session_ended({ audit }));
  }

  async #lookKey(id: string, credential: string, digest: string, facts: RequestFacts): Promise<Caller> {
    const authority = await this.#load(`api_key:${id}`, id, readApiKeyAuthority);
    const stored = authority?.apiKey && this.#match(credential, authority.apiKey);
    if (!authority || stored === undefined)
      throw AuthFault.invalid_api_key({ audit: await this.#endedKey(id, credential) });
    const audit = keyAudit(authority.org.id, id);
    const verified = { authorityKey: authority.key, expiresAt: authority.expiresAt, digest: stored, audit };
    this.#remember(digest, verified);
    return this.#admit(verified, authority, facts) ?? refuse(AuthFault.invalid_api_key({ audit }));
  }

  /** Whose key it was, where the secret is the one it had: only then is the organization told of its use. */
  async #endedKey(id: string, credential: string): Promise<FaultAudit | undefined> {
    const ended = await this.database.acrossOrgs('authenticate', (tx) => readEndedKey(tx, id));
    const proven = ended !== undefined && sameSecret(this.secrets.digest(credential), ended.digest);
    return proven ? keyAudit(ended.org_id, id) : undefined;
  }

  #load(key: string, id: string, read: typeof readSessionAuthority): Promise<Authority | undefined> {
    return this.cache.load(key, () => this.database.acrossOrgs('authenticate', (tx) => read(tx, id)));
  }

  /** The caller, or undefined where the credential has run out meanwhile; throws where the address is not allowed. */
  #admit(verified: Verified, authority: Authority, facts: RequestFacts): AuthorityCaller | undefined {
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
    } else {
      authority.lastUsed = now;
      this.activity.touch(authority, now);
    }
    return new AuthorityCaller(authority, facts);
  }

  /** The stored digest that the key matches now, or undefined. */
  #match(credential: string, key: ApiKeyFacts): string | undefined {
    const digest = this.secrets.digest(credential);
    if (sameSecret(digest, key.digest)) return key.digest;
    const previous = key.previousDigest;
    return previous !== undefined && sameSecret(digest, previous) ? previous : undefined;
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
