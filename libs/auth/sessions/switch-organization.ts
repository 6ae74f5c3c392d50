import { Injectable } from '@nestjs/common';
import { AccessFault } from '#access';
import { Database } from '#database';
import { type Caller, type CallerOrg, Clock, Fault, type FaultAudit } from '#kernel';
import { readAccountOrgs } from '../account.store.ts';
import type { TokensView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { AuthorityCaller, type SessionFacts } from '../authority.ts';
import type { OrgPolicy } from '../policy/org-policy.ts';
import { holdPolicy } from '../policy/policy.store.ts';
import { SignInPath } from '../sign-in/sign-in-path.ts';
import { SessionIssuer } from './session-issuer.ts';

/**
 * Another session in another of the person's organizations, on the proof of this one. The proof keeps its age: the
 * new session ends when one that had begun with the proof would, so that nobody goes on for ever by switching. Where
 * the organization asks for more, the challenge continues like one of a sign-in, and ends in a session there.
 */
@Injectable()
export class SwitchOrganization {
  constructor(
    private readonly database: Database,
    private readonly issuer: SessionIssuer,
    private readonly path: SignInPath,
    private readonly clock: Clock,
  ) {}

  /** The same answer for an organization one does not belong to and for one that does not exist. */
  async switch(caller: Caller, slug: string): Promise<TokensView> {
    const session = caller instanceof AuthorityCaller ? caller.authority.session : undefined;
    if (!(caller instanceof AuthorityCaller) || !session) throw AuthFault.sessions_only();
    const { userId, email, userName } = caller.authority;
    if (slug === caller.org.slug) throw AuthFault.same_organization();
    const person = { id: userId, email, name: userName };
    const switched = await this.database.acrossOrgsFor('own_sessions', caller, async (tx) => {
      const found = (await readAccountOrgs(tx, userId)).find((one) => one.slug === slug);
      if (!found) throw AuthFault.not_a_member({ audit: { action: 'auth.switch_refused' } });
      if (found.status !== 'active') throw AccessFault.org_suspended({ audit: refusal(caller, found) });
      const { session: lifetimes } = await holdPolicy(tx, found.id);
      requireYoung(session, lifetimes, this.clock.now(), refusal(caller, found));
      const journey = { account: person, org: found, facts: caller.request, device: undefined };
      const missing = await this.path.missing(tx, journey, session);
      if (missing) return missing;
      const made = await this.issuer.open(tx, {
        person,
        org: found,
        proof: { ...session, provenAt: provenAt(session) },
        facts: caller.request,
        action: 'auth.switched',
        deviceId: session.deviceId,
        from: session.id,
      });
      return { org: found, opened: made };
    });
    if (switched instanceof Fault) throw switched;
    const { opened, org } = switched;
    return this.issuer.answer(opened.session, person, org, opened.refreshToken);
  }
}

/** Throws `auth.step_up_required` where a session of the organization that had begun with the proof would be over. */
function requireYoung(
  session: SessionFacts,
  lifetimes: OrgPolicy['session'],
  now: Date,
  audit: FaultAudit,
): void {
  const age = now.getTime() - Date.parse(provenAt(session));
  if (age >= lifetimes.absoluteSeconds * 1_000) throw AuthFault.step_up_required({ audit });
}

function provenAt(session: SessionFacts): string {
  return session.provenAt ?? session.createdAt;
}

/** Told to the organization that would have been entered. */
function refusal(caller: AuthorityCaller, org: CallerOrg): FaultAudit {
  return {
    action: 'auth.switch_refused',
    orgId: org.id,
    actorId: caller.userId,
    target: { type: 'user', id: caller.userId, display: caller.authority.email },
  };
}
