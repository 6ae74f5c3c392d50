import { body, NOT_YOU, quoted, type Rendered, timeInWords } from './wording.ts';

export interface NewDevice {
  /** What the device says it is (`Firefox on Linux`). */
  readonly device: string;
  readonly ip: string;
  readonly at: string;
  /** The organization signed in to. */
  readonly organization: string;
}

export function newDevice({ device, ip, at, organization }: NewDevice): Rendered {
  return {
    subject: 'New sign-in to your account',
    text: body(
      `Your account in Portcullis was signed in to from a device that was not seen before.`,
      [
        `Device: ${quoted(device)}`,
        `Address: ${ip}`,
        `Time: ${timeInWords(at)}`,
        `Organization: ${quoted(organization)}`,
      ].join('\n'),
      NOT_YOU,
    ),
  };
}
