import { randomInt } from 'node:crypto';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const DIGITS = '0123456789';

/** What generated values are made of. `printable` leaves out what shells, URLs and connection strings read. */
const characters = {
  alphanumeric: LETTERS + DIGITS,
  hex: `${DIGITS}abcdef`,
  base64url: `${LETTERS}${DIGITS}-_`,
  printable: `${LETTERS}${DIGITS}-_.~+=,`,
} as const;

export type Alphabet = keyof typeof characters;
export const alphabets = Object.keys(characters) as Alphabet[];

/** `length` characters, each as likely as any other (CSPRNG). */
export function generateValue(alphabet: Alphabet, length: number): string {
  const from = characters[alphabet];
  return Array.from({ length }, () => from[randomInt(from.length)]).join('');
}
