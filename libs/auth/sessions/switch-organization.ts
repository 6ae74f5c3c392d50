import { Injectable } from '@nestjs/common';
import { AccessFault } from '#access';
import { Database } from '#database';
import { type Caller, type CallerOrg, Clock, type FaultAudit } from '#kernel';
import { readAccountOrgs } from '../account.store.ts';
import { meetsPolicy } from '../assurance.ts';
import type { TokensView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { AuthorityCaller, type SessionFacts } from '../authority.ts';
import type { OrgPolicy } from '../policy/org-policy.ts';
import { holdPolicy } from '../policy/policy.store.ts';
import { SessionIssuer } from './session-issuer.ts';

/**
 * Another session in another of the person's organizations, on the proof of this one. The proof keeps its age: the
 * new session ends when one that had begun with the proof would, so that nobody goes on for ever by switching.
 */
@Injectable()
export class SwitchOrganization {
  constructor(
    private readonly database: Database,
    private readonly issuer: SessionIssuer,
    private readonly clock: Clock,
  ) {}

  /** The same answer for an organization one does not belong to and for one that does not exist. */
  async switch(caller: Caller, slug: string): Promise<TokensView> {
    const session = caller instanceof AuthorityCaller ? caller.authority.session : undefined;
    if (!(caller instanceof AuthorityCaller) || !session) throw AuthFault.sessions_only();
    const { userId, email, userName } = caller.authority;
    if (slug === caller.org.slug) throw AuthFault.same_organization();
    const person = { id: userId, email, name: userName };
    const { opened, org } = await this.database.acrossOrgsFor('own_sessions', caller, async (tx) => {
      const found = (await readAccountOrgs(tx, userId)).find((one) => one.slug === slug);
      if (!found) throw AuthFault.not_a_member({ audit: { action: 'auth.switch_refused' } });
      if (found.status !== 'active') throw AccessFault.org_suspended({ audit: refusal(caller, found) });
      const policy = await holdPolicy(tx, found.id);
      requireProofFor(policy, session, this.clock.now(), refusal(caller, found));
      const made = await this.issuer.open(tx, {
        person,
        org: found,
        proof: { ...session, provenAt: provenAt(session) },
        facts: caller.request,
        action: 'auth.switched',
        from: session.id,
      });
      return { org: found, opened: made };
    });
    return this.issuer.answer(opened.session, person, org, opened.refreshToken);
  }
}

/**
 * What the organization asks of its sessions, asked of the one that another will be made from. Throws
 * `auth.step_up_required`.
 */
function requireProofFor(
  { mfa, session: lifetimes }: OrgPolicy,
  session: SessionFacts,
  now: Date,
  audit: FaultAudit,
): void {
  const age = now.getTime() - Date.parse(provenAt(session));
  if (meetsPolicy(mfa, session.authMethods) && age < lifetimes.absoluteSeconds * 1_000) return;
  throw AuthFault.step_up_required({ audit });
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
