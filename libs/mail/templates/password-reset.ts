import { body, quoted, type Rendered, timeInWords } from './wording.ts';

export interface PasswordReset {
  /** Where the new password is set; holds the token. */
  readonly url: string;
  readonly expiresAt: string;
  /** The name of the administrator who started it; absent where somebody asked for it at the sign-in. */
  readonly startedBy?: string;
}

export function passwordReset({ url, expiresAt, startedBy }: PasswordReset): Rendered {
  const who =
    startedBy === undefined
      ? 'Somebody asked for a new password for your account in Portcullis.'
      : `An administrator, ${quoted(startedBy)}, started a password reset for your account in Portcullis.`;
  const ignore =
    startedBy === undefined
      ? 'If it was not you, you need do nothing: your password stays as it is.'
      : 'If you did not expect this, ask the administrator before you open the link.';
  return {
    subject: 'Set a new password',
    text: body(
      who,
      `To set one, open this link. It works once, until ${timeInWords(expiresAt)}:`,
      url,
      `${ignore} Nobody ever asks you for your password or for this link.`,
    ),
  };
}
