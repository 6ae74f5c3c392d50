import { body, type Rendered, timeInWords } from './wording.ts';

export interface Lockout {
  readonly at: string;
  /** The address that the last wrong password came from. */
  readonly ip: string;
}

export function lockout({ at, ip }: Lockout): Rendered {
  return {
    subject: 'Too many failed sign-ins to your account',
    text: body(
      `There were too many failed sign-ins to your account in Portcullis, the last from the address ${ip} on ${timeInWords(at)}. Further attempts from there are refused for a while.`,
      'If it was you, wait and try again, or set a new password. If it was not, your password was not guessed; you need do nothing, but a longer password and a second factor make sure.',
    ),
  };
}
