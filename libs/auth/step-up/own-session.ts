import type { Caller, FaultAudit } from '#kernel';
import { assuranceOf, type Proof } from '../assurance.ts';
import { AuthFault } from '../auth.faults.ts';
import { AuthorityCaller, type SessionFacts } from '../authority.ts';
import type { Challenge } from '../challenges/challenge.store.ts';
import type { RecordBase, Refuse } from '../factors/factor-proofs.ts';
import type { SessionView } from '../auth.contract.ts';
import { sessionView } from '../sessions/session-view.ts';

/** A person in the session they use. */
export interface OwnSession {
  readonly caller: AuthorityCaller;
  readonly session: SessionFacts;
  readonly userId: string;
}

/** Throws `auth.sessions_only` for keys. */
export function ownSessionOf(caller: Caller): OwnSession {
  const session = caller instanceof AuthorityCaller ? caller.authority.session : undefined;
  if (!(caller instanceof AuthorityCaller) || !session) throw AuthFault.sessions_only();
  return { caller, session, userId: caller.userId };
}

/** What the records of a person's own proofs and factors have in common. */
export function ownBase({ caller, session, userId }: OwnSession): RecordBase {
  return {
    orgId: caller.org.id,
    actor: { type: 'user', id: userId, sessionId: session.id, display: caller.display },
    target: { type: 'user', id: userId, display: caller.authority.email },
    request: caller.request,
  };
}

/** The challenge, where it is one of this session. Throws `auth.invalid_challenge`. */
export function ownChallenge({ session }: OwnSession, challenge: Challenge | undefined): Challenge {
  if (challenge?.sessionId !== session.id) throw AuthFault.invalid_challenge();
  return challenge;
}

export function ownRefusal({ caller, userId }: OwnSession, reason: string): FaultAudit {
  const target = { type: 'user', id: userId, display: caller.authority.email };
  return { action: 'auth.step_up_refused', reason, target };
}

export function ownRefuser(own: OwnSession): Refuse {
  return (reason) => AuthFault.factor_refused({ audit: ownRefusal(own, reason) });
}

/** The session as it is now that this is what it stands on. */
export function provenView({ session }: OwnSession, proof: Proof, now: Date): SessionView {
  const proven = { ...session, authMethods: proof.authMethods, assurance: assuranceOf(proof.authMethods) };
  return sessionView(proven, now, session.id);
}
