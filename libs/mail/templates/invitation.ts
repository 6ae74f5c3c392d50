import { body, quoted, type Rendered, timeInWords } from './wording.ts';

export interface Invitation {
  /** The organization's name. */
  readonly organization: string;
  /** The name of whoever invites. */
  readonly inviter: string;
  /** Where the invitation is accepted; holds the token. */
  readonly url: string;
  readonly expiresAt: string;
}

export function invitation({ organization, inviter, url, expiresAt }: Invitation): Rendered {
  return {
    subject: `Invitation to ${quoted(organization)}`,
    text: body(
      `${quoted(inviter)} invites you to the organization ${quoted(organization)} in Portcullis.`,
      `To accept, open this link. It works once, until ${timeInWords(expiresAt)}:`,
      url,
      'If you do not know who invites you, you need do nothing.',
    ),
  };
}
