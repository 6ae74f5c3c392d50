import { folded } from './password-filter.ts';

/**
 * How much of a password is made of words an attacker would try first. Measured by the pieces that the two have in
 * common rather than by edit distance (as Ory Kratos does): distance sees `acme` in `acme-2026` but not in
 * `xxacmexx99`, and calls every short password similar to every short word.
 */

/** Shorter pieces are in every second text. */
const MIN_PIECE = 4;

const LEET: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '!': 'i',
  '|': 'i',
  l: 'i',
  '3': 'e',
  '4': 'a',
  '@': 'a',
  '5': 's',
  $: 's',
  '7': 't',
  '+': 't',
};

/**
 * True where the words, forward or backward and with digits and signs for letters, make up half of the password or
 * more. Separators count for nothing on either side.
 */
export function isLike(password: string, words: readonly string[]): boolean {
  let rest = plain(password);
  const length = rest.length;
  if (length === 0) return false;
  const plainWords = words.map(plain).filter((word) => word.length >= MIN_PIECE);
  const wanted = plainWords.flatMap((word) => [word, [...word].toReversed().join('')]);
  for (;;) {
    const piece = longestPiece(rest, wanted);
    if (piece === '') return false;
    // What is left does not grow together to a new piece.
    rest = rest.split(piece).join('\n');
    if (2 * rest.replaceAll('\n', '').length <= length) return true;
  }
}

/** Small letters and digits alone, look-alikes as one. Letters of every script stay. */
function plain(text: string): string {
  return [...folded(text)]
    .map((char) => LEET[char] ?? char)
    .join('')
    .replace(/[^\p{L}\p{M}\p{N}]/gu, '');
}

/** The longest piece of a word that stands in the text; '' where none of MIN_PIECE or more does. */
function longestPiece(text: string, words: readonly string[]): string {
  let longest = '';
  for (const word of words) {
    for (let from = 0; from + MIN_PIECE <= word.length; from += 1) {
      let to = from + Math.max(MIN_PIECE, longest.length + 1);
      while (to <= word.length && text.includes(word.slice(from, to))) {
        longest = word.slice(from, to);
        to += 1;
      }
    }
  }
  return longest;
}
