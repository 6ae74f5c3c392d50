import { body, NOT_YOU, type Rendered, timeInWords } from './wording.ts';

export interface PasswordChanged {
  readonly at: string;
  /** The address it was changed from, where known. */
  readonly ip?: string;
}

export function passwordChanged({ at, ip }: PasswordChanged): Rendered {
  const from = ip === undefined ? '' : ` from the address ${ip}`;
  return {
    subject: 'Your password was changed',
    text: body(
      `The password of your account in Portcullis was changed on ${timeInWords(at)}${from}.`,
      NOT_YOU,
    ),
  };
}
