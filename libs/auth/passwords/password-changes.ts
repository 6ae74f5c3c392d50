import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { type Caller, callerIn } from '#kernel';
import { type Account, findAccount, holdPassword, readAccountOrgs, storePassword } from '../account.store.ts';
import { AuthFault } from '../auth.faults.ts';
import { personOf, Sessions } from '../sessions.ts';
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
    await this.#requireCurrent(account, request.currentPassword);
    if (request.newPassword === request.currentPassword) {
      throw AuthFault.password_unchanged({
        errors: [{ path: 'newPassword', message: 'must not be the old one' }],
      });
    }
    const hash = await this.chosen.hash(request.newPassword, { ...account, organizations: orgs });
    return this.database.acrossOrgsFor('own_password', caller, async (tx) => {
      if (!(await holdPassword(tx, account, 'to change'))) throw currentWrong();
      for (const org of orgs) {
        await this.audit.append(tx, callerIn(caller, org), {
          action: 'auth.password_changed',
          target: { type: 'user', id: userId, display: account.email },
        });
      }
      await storePassword(tx, userId, hash);
      await this.mail.sendChanged(tx, account.email, caller.request);
      if (request.endOtherSessions === false) return 0;
      return this.sessions.end(tx, caller, { userId, except: caller.sessionId }, 'password_changed');
    });
  }

  /** LIMITS: the try is counted here, before it is verified, against the person's password. */
  async #requireCurrent(account: Account, password: string): Promise<void> {
    if (!(await this.passwords.verify(password, account.hash ?? undefined))) throw currentWrong();
  }
}

function currentWrong(): Error {
  return AuthFault.current_password_wrong({
    errors: [{ path: 'currentPassword', message: 'is not right' }],
  });
}
