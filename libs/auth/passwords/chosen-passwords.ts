import { Injectable } from '@nestjs/common';
import { AuthFault } from '../auth.faults.ts';
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
  constructor(private readonly passwords: Passwords) {}

  /**
   * The hash, or `auth.password_refused` with the reasons; `path` is where the password stands in the request.
   */
  async hash(password: string, owner: PasswordOwner, path = 'newPassword'): Promise<string> {
    const common = await commonPasswords();
    const minLength = this.#minLength(owner.organizations);
    const reasons = passwordFaults(password, {
      minLength,
      owner,
      isCommon: (text) => common.has(text),
    });
    if (reasons.length > 0) throw refused(reasons, minLength, path);
    return this.passwords.hash(password);
  }

  /** POLICY: the strictest `password.minLength` of the person's organizations belongs here. */
  #minLength(_organizations: PasswordOwner['organizations']): number {
    return MIN_LENGTH;
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
