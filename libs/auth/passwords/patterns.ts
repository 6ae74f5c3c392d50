import { folded } from './password-filter.ts';

/** What people run a finger along: digits, the alphabet, the rows of QWERTY, QWERTZ and AZERTY, columns of keys. */
const ROWS = [
  '01234567890',
  '!@#$%^&*()_+',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'qwertzuiop',
  'yxcvbnm',
  'azertyuiop',
  'qsdfghjklm',
  'wxcvbn',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/',
  'qazwsxedcrfvtgbyhnujmikolp',
];
const PATHS = ROWS.flatMap((row) => [row, [...row].toReversed().join('')]);

/** Words have runs of two, and some of three. */
const MIN_RUN = 3;

/**
 * The shortest text that the password repeats, cut off at the end as it may be (`abcabca` repeats `abc`); the
 * password itself where it repeats nothing. A password is worth no more than that.
 */
export function unitOf(password: string): string {
  const chars = [...password];
  for (let length = 1; 2 * length <= chars.length; length += 1) {
    if (chars.every((char, index) => char === chars[index % length])) return chars.slice(0, length).join('');
  }
  return password;
}

/** True where half of the password or more is one key again and again, or neighbours in a row (`abcd4321`). */
export function isRun(password: string): boolean {
  const chars = [...folded(password)];
  let covered = 0;
  for (let at = 0; at < chars.length;) {
    const run = runAt(chars, at);
    if (run >= MIN_RUN) covered += run;
    at += run >= MIN_RUN ? run : 1;
  }
  return 2 * covered >= chars.length && covered > 0;
}

/** How many characters from there on are the same, or follow each other on one path; 1 where none does. */
function runAt(chars: readonly string[], at: number): number {
  let [same, along] = [1, 1];
  while (at + same < chars.length && chars[at + same] === chars[at]) same += 1;
  while (at + along < chars.length && onPath(chars.slice(at, at + along + 1).join(''))) along += 1;
  return Math.max(same, along);
}

function onPath(piece: string): boolean {
  return PATHS.some((path) => path.includes(piece));
}
