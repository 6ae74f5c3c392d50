import { Injectable } from '@nestjs/common';
import { Audit, type AuditEntry } from '#audit';
import type { SystemTx } from '#database';
import { type CallerOrg, Clock, newId, randomText, type RequestFacts, tokenDigest } from '#kernel';
import { AccessTokens } from './access-tokens.ts';
import { assuranceOf, type Proof } from './assurance.ts';
import type { SessionFacts } from './authority.ts';
import type { TokensView } from './auth.contract.ts';
import { insertRefreshToken, insertSession } from './session.store.ts';
import { sessionView } from './session-view.ts';

/** NIST SP 800-63B, AAL2: re-authentication at least daily, or after an hour without use. */
export const SESSION_SECONDS = 12 * 3_600;
export const IDLE_SECONDS = 3_600;

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

export interface Opening {
  readonly person: Person;
  readonly org: CallerOrg;
  readonly proof: Proof;
  readonly facts: RequestFacts;
}

/** Makes sessions and the tokens that stand for them. */
@Injectable()
export class SessionIssuer {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /** A new session with its record and its first refresh token, in the caller's transaction. */
  async open(tx: SystemTx, opening: Opening): Promise<{ session: SessionFacts; refreshToken: string }> {
    const session = this.#begin(opening);
    await this.audit.record(tx, recordOf(opening, session));
    const refreshToken = newRefreshToken();
    await insertSession(tx, session, tokenDigest(refreshToken));
    return { session, refreshToken };
  }

  #begin({ person, org, proof, facts }: Opening): SessionFacts {
    const now = this.clock.now();
    return {
      id: newId(),
      userId: person.id,
      organizationId: org.id,
      createdAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + SESSION_SECONDS * 1_000).toISOString(),
      idleSeconds: IDLE_SECONDS,
      authMethods: proof.authMethods,
      assurance: assuranceOf(proof.authMethods),
      passwordAt: proof.passwordAt,
      factorAt: proof.factorAt,
      factorId: proof.factorId,
      ip: facts.ip,
      userAgent: facts.userAgent,
    };
  }

  /** The next refresh token of a session. */
  async addRefreshToken(
    tx: SystemTx,
    session: Pick<SessionFacts, 'id' | 'organizationId' | 'expiresAt'>,
  ): Promise<string> {
    const token = newRefreshToken();
    await insertRefreshToken(tx, {
      orgId: session.organizationId,
      sessionId: session.id,
      digest: tokenDigest(token),
      expiresAt: session.expiresAt,
    });
    return token;
  }

  /** What a sign-in and a refresh answer. */
  async answer(
    session: SessionFacts,
    person: Person,
    org: CallerOrg,
    refreshToken: string,
  ): Promise<TokensView> {
    const { token, expiresIn } = await this.tokens.issue(session);
    const now = this.clock.now();
    return {
      accessToken: token,
      tokenType: 'Bearer',
      expiresIn,
      refreshToken,
      refreshExpiresIn: Math.max(0, Math.floor((Date.parse(session.expiresAt) - now.getTime()) / 1_000)),
      session: sessionView(session, now, session.id),
      user: { id: person.id, email: person.email, name: person.name },
      organization: org,
    };
  }
}

/** 256 random bits, stored as a digest, alive as long as its session. */
function newRefreshToken(): string {
  return `pcr_${randomText(32)}`;
}

function recordOf({ person, facts, org }: Opening, session: SessionFacts): AuditEntry {
  return {
    orgId: org.id,
    actor: { type: 'user', id: person.id, sessionId: session.id, display: person.name },
    action: 'auth.signed_in',
    target: { type: 'user', id: person.id, display: person.email },
    outcome: 'success',
    request: facts,
    changes: { session: { to: session.id }, methods: { to: [...session.authMethods] } },
  };
}
