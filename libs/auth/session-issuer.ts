import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import { type CallerOrg, Clock, newId, randomText, type RequestFacts, tokenDigest } from '#kernel';
import { AccessTokens } from './access-tokens.ts';
import { assuranceOf } from './assurance.ts';
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

/** Makes sessions and the tokens that stand for them. */
@Injectable()
export class SessionIssuer {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly clock: Clock,
  ) {}

  /** A new session, not yet stored. */
  begin(person: Person, org: CallerOrg, authMethods: readonly string[], facts: RequestFacts): SessionFacts {
    const now = this.clock.now();
    return {
      id: newId(),
      userId: person.id,
      organizationId: org.id,
      createdAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + SESSION_SECONDS * 1_000).toISOString(),
      idleSeconds: IDLE_SECONDS,
      authMethods,
      assurance: assuranceOf(authMethods),
      passwordAt: authMethods.includes('pwd') ? now.toISOString() : undefined,
      factorAt: undefined,
      factorId: undefined,
      ip: facts.ip,
      userAgent: facts.userAgent,
    };
  }

  /** Stores the session and its first refresh token; the audit record must have been appended before. */
  async store(tx: SystemTx, session: SessionFacts): Promise<string> {
    const token = newRefreshToken();
    await insertSession(tx, session, tokenDigest(token));
    return token;
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
