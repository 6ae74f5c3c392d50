import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { PasswordMail, PasswordResets } from '#auth';
import { Database } from '#database';
import type { Caller } from '#kernel';
import { belongsElsewhere, lockMember } from './member.store.ts';
import { requireNotAbove } from './members.ts';
import type { MemberResetView } from './org.contract.ts';
import { OrgFault } from './org.faults.ts';

/** An admin has a link made by which a member sets a new password. No admin ever chooses one. */
@Injectable()
export class MemberResets {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly resets: PasswordResets,
    private readonly mail: PasswordMail,
  ) {}

  /**
   * The link goes to the member by mail. Without a mail server it is shown to the admin, but only for a member of
   * this organization alone: a password opens every organization of the person, and this is the admin of one.
   */
  async start(caller: Caller, userId: string): Promise<MemberResetView> {
    // Who has one's session or key must not get from there to one's password.
    if (userId === caller.userId) throw OrgFault.reset_not_own();
    return this.database.acrossOrgsFor('manage_members', caller, async (tx) => {
      const member = await lockMember(tx, userId, caller.org.id);
      if (!member) throw OrgFault.member_not_found();
      await requireNotAbove(caller, tx, member);
      const link = await this.resets.issue(tx, userId, caller.id);
      const sent = await this.mail.sendLink(tx, member.email, link, caller.display);
      if (!sent && (await belongsElsewhere(tx, userId, caller.org.id))) throw OrgFault.reset_needs_mail();
      await this.audit.append(tx, caller, {
        action: 'member.password_reset_started',
        target: { type: 'user', id: userId, display: member.email },
        changes: { sent: { to: sent } },
      });
      return { sent, url: sent ? undefined : link.url, expiresAt: link.expiresAt };
    });
  }
}
