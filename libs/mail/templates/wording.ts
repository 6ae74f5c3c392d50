/** One template, filled in. */
export interface Rendered {
  readonly subject: string;
  /** Plain text, lines ended by \n. */
  readonly text: string;
}

const LONGEST_NAME = 80;

/**
 * A name that people chose, quoted so that it stays one: on one line, of a length one can see, without characters
 * that turn the text around, and so that no mail program makes a link of it ("evil. example").
 */
export function quoted(name: string): string {
  const plain = name
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .replaceAll(/([.:@\u3002\uff0e\uff61])(?=\S)/gu, '$1 ')
    .replaceAll(/\s+/gu, ' ')
    .trim();
  const characters = [...plain];
  return `“${characters.length > LONGEST_NAME ? `${characters.slice(0, LONGEST_NAME).join('')}…` : plain}”`;
}

const inWords = new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'long',
  timeStyle: 'short',
  timeZone: 'UTC',
});

/** `22 November 2026 at 05:48 UTC`. */
export function timeInWords(time: string): string {
  return `${inWords.format(new Date(time))} UTC`;
}

/** Paragraphs of a body, and what every body ends with. */
export function body(...paragraphs: readonly string[]): string {
  const end = 'Portcullis sends this by itself; nobody reads answers to it.';
  return `${[...paragraphs, `-- \n${end}`].join('\n\n')}\n`;
}

/** What to do about a change that the reader may not have made. */
export const NOT_YOU =
  'If this was not you, change your password at once, look through your sessions, and tell an administrator of your organization.';
