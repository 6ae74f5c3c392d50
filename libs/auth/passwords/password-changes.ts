import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { type Caller, callerIn } from '#kernel';
import { type Account, findAccount, holdPassword, readAccountOrgs, storePassword } from '../account.store.ts';
import { AuthFault } from '../auth.faults.ts';
import { Devices } from '../devices/devices.ts';
import { AttemptLimits } from '../limits/attempt-limits.ts';
import { Lockouts } from '../limits/lockouts.ts';
import { personOf, Sessions } from '../sessions/sessions.ts';
import { ChosenPasswords } from './chosen-passwords.ts';
import { PasswordMail } from './password-mail.ts';
import type { ChangePasswordRequest } from './passwords.contract.ts';
import { Passwords } from './passwords.ts';

/** A person who is signed in changes the password they know. */
@Injectable()
export class PasswordChanges {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly passwords: Passwords,
    private readonly chosen: ChosenPasswords,
    private readonly sessions: Sessions,
    private readonly devices: Devices,
    private readonly limits: AttemptLimits,
    private readonly lockouts: Lockouts,
    private readonly mail: PasswordMail,
  ) {}

  /** Answers how many other sessions it ended. */
  async change(caller: Caller, request: ChangePasswordRequest): Promise<number> {
    const userId = personOf(caller);
    const { account, orgs } = await this.database.acrossOrgsFor('own_password', caller, async (tx) => ({
      account: await findAccount(tx, { id: userId }),
      orgs: await readAccountOrgs(tx, userId),
    }));
    if (!account) throw AuthFault.session_ended();
    await this.#requireCurrent(caller, account, request.currentPassword);
    if (request.newPassword === request.currentPassword) {
      throw AuthFault.password_unchanged({
        errors: [{ path: 'newPassword', message: 'must not be the old one' }],
      });
    }
    const hash = await this.chosen.hash(request.newPassword, { ...account, organizations: orgs });
    return this.database.acrossOrgsFor('own_password', caller, async (tx) => {
      if (!(await holdPassword(tx, account))) throw currentWrong();
      for (const org of orgs) {
        await this.audit.append(tx, callerIn(caller, org), {
          action: 'auth.password_changed',
          target: { type: 'user', id: userId, display: account.email },
        });
      }
      await storePassword(tx, userId, hash);
      await this.mail.sendChanged(tx, account.email, caller.request);
      if (request.endOtherSessions === false) return 0;
      await this.devices.forgetAll(tx, userId);
      return this.sessions.end(tx, caller, { userId, except: caller.sessionId }, 'password_changed');
    });
  }

  /** Counted before it is verified: a stolen session guesses no more often than anybody. */
  async #requireCurrent(caller: Caller, account: Account, password: string): Promise<void> {
    const { ip } = caller.request;
    const attempt = await this.limits.countOwnPassword({ userId: account.id, email: account.email, ip });
    if (!attempt.admitted) throw this.limits.tooMany(attempt);
    const right = await attempt.verify(() => this.passwords.verify(password, account.hash ?? undefined));
    if (!right) {
      await this.lockouts.announce(
        attempt,
        { account, email: account.email, orgId: caller.org.id },
        caller.request,
      );
      throw currentWrong();
    }
    await attempt.giveBack();
  }
}

function currentWrong(): Error {
  return AuthFault.current_password_wrong({
    errors: [{ path: 'currentPassword', message: 'is not right' }],
  });
}
