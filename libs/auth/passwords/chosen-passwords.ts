import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { AuthFault } from '../auth.faults.ts';
import { strictest } from '../policy/org-policy.ts';
import { readPoliciesIn } from '../policy/policy.store.ts';
import { commonPasswords } from './common-passwords.ts';
import {
  MIN_LENGTH,
  passwordFaults,
  type PasswordOwner,
  type PasswordReason,
  passwordReasons,
} from './password-rules.ts';
import { Passwords } from './passwords.ts';

/** The one way from a password that a person chose to its hash: through the rules. */
@Injectable()
export class ChosenPasswords {
  constructor(
    private readonly database: Database,
    private readonly passwords: Passwords,
  ) {}

  /**
   * The hash, or `auth.password_refused` with the reasons; `path` is where the password stands in the request.
   */
  async hash(password: string, owner: PasswordOwner, path = 'newPassword'): Promise<string> {
    const common = await commonPasswords();
    const minLength = await this.#minLength(owner.organizations);
    const reasons = passwordFaults(password, {
      minLength,
      owner,
      isCommon: (text) => common.has(text),
    });
    if (reasons.length > 0) throw refused(reasons, minLength, path);
    return this.passwords.hash(password);
  }

  /** What the strictest of the person's organizations asks. */
  async #minLength(organizations: PasswordOwner['organizations']): Promise<number> {
    const ids = organizations.flatMap(({ id }) => id ?? []);
    if (ids.length === 0) return MIN_LENGTH;
    const policies = await this.database.acrossOrgs('own_password', (tx) => readPoliciesIn(tx, ids));
    return strictest(policies).password.minLength;
  }
}

function refused(reasons: PasswordReason[], minLength: number, path: string): Error {
  return AuthFault.password_refused({
    data: { reasons, minLength },
    errors: reasons.map((reason) => ({
      path,
      message:
        reason === 'too_short' ? `must have at least ${minLength} characters` : passwordReasons[reason],
    })),
  });
}
