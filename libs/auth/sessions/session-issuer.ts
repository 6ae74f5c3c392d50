import { Injectable } from '@nestjs/common';
import { Audit, type AuditAction, type AuditEntry } from '#audit';
import type { SystemTx } from '#database';
import { type CallerOrg, Clock, newId, randomText, type RequestFacts, tokenDigest } from '#kernel';
import { AccessTokens } from '../access-tokens.ts';
import { assuranceOf, type Proof } from '../assurance.ts';
import type { SessionFacts } from '../authority.ts';
import type { TokensView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import type { OrgPolicy } from '../policy/org-policy.ts';
import { holdPolicy } from '../policy/policy.store.ts';
import { insertSession, isUnrevoked, lockMembership, lockSessionsOf, revokeOldest } from './session.store.ts';
import { sessionView } from './session-view.ts';

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

/** What a session stands on; and, of one made from another, when the person first proved themselves for that. */
type SessionProof = Proof & Partial<Pick<SessionFacts, 'provenAt'>>;

export interface Opening {
  readonly person: Person;
  readonly org: CallerOrg;
  readonly proof: SessionProof;
  readonly facts: RequestFacts;
  /** What the record calls it; `auth.signed_in` where unsaid. */
  readonly action?: AuditAction;
  /** The session it was made from. */
  readonly from?: string;
  /** The device it is opened from. */
  readonly deviceId?: string | undefined;
  /** The organization's policy, where this transaction holds it and `lockSessionsOf` already. */
  readonly held?: OrgPolicy;
}

export interface Opened {
  readonly session: SessionFacts;
  readonly refreshToken: string;
  /** What was recorded, for what else happens in the same transaction. */
  readonly record: AuditEntry;
}

/** The only maker of sessions and of the tokens that stand for them: the organization's policy holds on every path. */
@Injectable()
export class SessionIssuer {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  /**
   * A new session with its record and its first refresh token, in the caller's transaction. What the proof was checked
   * against must be looked at again after this, for until here all of the person's sessions might have been ended:
   * of a session that it is made from, this does it. Where the organization
   * limits how many a person may have, the oldest make room: parallel sign-ins wait for each other then, and only then.
   */
  async open(tx: SystemTx, opening: Opening): Promise<Opened> {
    const { session: policy } = opening.held ?? (await holdPolicy(tx, opening.org.id));
    if (!opening.held) await lockSessionsOf(tx, opening.person.id, 'open_one');
    if (opening.from !== undefined && !(await isUnrevoked(tx, opening.from))) throw AuthFault.session_ended();
    const session = this.#begin(opening, policy);
    const record = recordOf(opening, session);
    await this.audit.record(tx, record);
    if (policy.maxConcurrent !== null) await this.#makeRoom(tx, session, record, policy.maxConcurrent);
    const refreshToken = newRefreshToken();
    await insertSession(tx, session, tokenDigest(refreshToken));
    return { session, refreshToken, record };
  }

  #begin({ person, org, proof, facts, deviceId }: Opening, policy: OrgPolicy['session']): SessionFacts {
    const now = this.clock.now();
    const { authMethods, provenAt } = proof;
    const from = provenAt === undefined ? now.getTime() : Date.parse(provenAt);
    return {
      id: newId(),
      userId: person.id,
      organizationId: org.id,
      createdAt: now.toISOString(),
      expiresAt: new Date(from + policy.absoluteSeconds * 1_000).toISOString(),
      idleSeconds: policy.idleSeconds,
      authMethods,
      assurance: assuranceOf(authMethods),
      passwordAt: proof.passwordAt,
      factorAt: proof.factorAt,
      factorId: proof.factorId,
      provenAt,
      deviceId,
      ip: facts.ip,
      userAgent: facts.userAgent,
    };
  }

  async #makeRoom(tx: SystemTx, session: SessionFacts, record: AuditEntry, limit: number): Promise<void> {
    const { organizationId: orgId, userId } = session;
    await lockMembership(tx, orgId, userId);
    for (const id of await revokeOldest(tx, { orgId, userId, keep: limit - 1 }, 'session_limit')) {
      await this.audit.record(tx, {
        ...record,
        action: 'session.revoked',
        target: { type: 'session', id },
        reason: 'session_limit',
        changes: { user: { to: userId } },
      });
    }
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

function recordOf({ person, org, facts, action, from }: Opening, session: SessionFacts): AuditEntry {
  return {
    orgId: org.id,
    actor: { type: 'user', id: person.id, sessionId: session.id, display: person.name },
    action: action ?? 'auth.signed_in',
    target: { type: 'user', id: person.id, display: person.email },
    outcome: 'success',
    request: facts,
    changes: {
      session: { to: session.id, ...(from !== undefined && { from }) },
      methods: { to: [...session.authMethods] },
      ...(session.deviceId !== undefined && { device: { to: session.deviceId } }),
    },
  };
}

/** 256 random bits, stored as a digest, alive as long as its session. */
export function newRefreshToken(): string {
  return `pcr_${randomText(32)}`;
}
