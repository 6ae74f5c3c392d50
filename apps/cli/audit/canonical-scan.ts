const DEEPEST = 64;

export const QUOTE = 0x22;
export const COMMA = 0x2c;
const MINUS = 0x2d;
export const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
export const OPEN = 0x7b;
export const CLOSE = 0x7d;
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');
/** What may stand after a backslash; \u is left to others. */
const ESCAPES = Buffer.from('"\\bfnrt');
const HEX = 1;
const KIND = new Uint8Array(256);
for (const digit of Buffer.from('0123456789abcdef')) KIND[digit] = HEX;

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= 0x39;

/**
 * Walks over bytes that are JSON in its canonical form (RFC 8785) without making values of them. It refuses what is
 * not canonical, and also what is but is rare: who uses it has another way to read that.
 */
export class CanonicalScan {
  protected bytes: Buffer = Buffer.alloc(0);
  protected at = 0;

  /** A string of 64 hex digits. */
  protected hash(): boolean {
    const bytes = this.bytes;
    if (bytes[this.at] !== QUOTE || bytes[this.at + 65] !== QUOTE) return false;
    for (let at = this.at + 1; at < this.at + 65; at += 1) {
      if (KIND[bytes[at] ?? 0] !== HEX) return false;
    }
    this.at += 66;
    return true;
  }

  /** Any value in its canonical form. */
  protected value(depth: number): boolean {
    const bytes = this.bytes;
    switch (bytes[this.at]) {
      case QUOTE:
        return this.string() !== 0;
      case OPEN:
        return depth < DEEPEST && this.object(depth);
      case OPEN_LIST:
        return depth < DEEPEST && this.list(depth);
      case LETTER_T:
        return this.skips(TRUE);
      case LETTER_F:
        return this.skips(FALSE);
      case LETTER_N:
        return this.skips(NULL);
      case undefined:
        return false;
      default:
        return this.integer();
    }
  }

  private object(depth: number): boolean {
    const bytes = this.bytes;
    this.at += 1;
    if (bytes[this.at] === CLOSE) {
      this.at += 1;
      return true;
    }
    for (let [beforeFrom, beforeTo] = [0, 0]; ;) {
      const keyFrom = this.at + 1;
      const keyTo = this.key();
      if (keyTo === 0) return false;
      if (beforeTo !== 0 && !this.ascends(beforeFrom, beforeTo, keyFrom, keyTo)) return false;
      [beforeFrom, beforeTo] = [keyFrom, keyTo];
      if (!this.value(depth + 1)) return false;
      const next = bytes[this.at];
      this.at += 1;
      if (next === CLOSE) return true;
      if (next !== COMMA) return false;
    }
  }

  private list(depth: number): boolean {
    const bytes = this.bytes;
    this.at += 1;
    if (bytes[this.at] === CLOSE_LIST) {
      this.at += 1;
      return true;
    }
    for (;;) {
      if (!this.value(depth + 1)) return false;
      const next = bytes[this.at];
      this.at += 1;
      if (next === CLOSE_LIST) return true;
      if (next !== COMMA) return false;
    }
  }

  /** Whole numbers of up to 15 digits; others are rare, and left to those who know how to write them. */
  private integer(): boolean {
    const bytes = this.bytes;
    const minus = bytes[this.at] === MINUS ? 1 : 0;
    const from = this.at + minus;
    let at = from;
    while (isDigit(bytes[at])) at += 1;
    if (at === from || at - from > 15) return false;
    if (bytes[from] === ZERO && (at - from > 1 || minus === 1)) return false;
    const next = bytes[at];
    if (next !== COMMA && next !== CLOSE && next !== CLOSE_LIST) return false;
    this.at = at;
    return true;
  }

  /** A string as RFC 8785 writes it: where its closing quote stands, as a negative number where it has escapes; or 0. */
  protected string(): number {
    const bytes = this.bytes;
    if (bytes[this.at] !== QUOTE) return 0;
    let at = this.at + 1;
    let sign = 1;
    for (;;) {
      const byte = bytes[at] ?? 0;
      if (byte === QUOTE) break;
      if (byte < 0x20) return 0;
      if (byte === BACKSLASH) {
        if (!ESCAPES.includes(bytes[at + 1] ?? 0)) return 0;
        at += 1;
        sign = -1;
      }
      at += 1;
    }
    this.at = at + 1;
    return sign * at;
  }

  /** A key of plain ASCII and the colon after it: where its closing quote stands, or 0. */
  protected key(): number {
    const to = this.plainString();
    if (to === 0 || this.bytes[this.at] !== COLON) return 0;
    this.at += 1;
    return to;
  }

  /** A string of plain ASCII: where its closing quote stands, or 0. */
  protected plainString(): number {
    const bytes = this.bytes;
    if (bytes[this.at] !== QUOTE) return 0;
    let at = this.at + 1;
    for (;;) {
      const byte = bytes[at] ?? 0;
      if (byte === QUOTE) break;
      if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return 0;
      at += 1;
    }
    this.at = at + 1;
    return at;
  }

  protected ascends(beforeFrom: number, beforeTo: number, from: number, to: number): boolean {
    const bytes = this.bytes;
    const length = Math.min(beforeTo - beforeFrom, to - from);
    for (let i = 0; i < length; i += 1) {
      const by = (bytes[from + i] ?? 0) - (bytes[beforeFrom + i] ?? 0);
      if (by !== 0) return by > 0;
    }
    return to - from > beforeTo - beforeFrom;
  }

  protected is(from: number, text: Buffer): boolean {
    for (let i = 0; i < text.length; i += 1) if (this.bytes[from + i] !== text[i]) return false;
    return true;
  }

  protected skips(text: Buffer): boolean {
    if (!this.is(this.at, text)) return false;
    this.at += text.length;
    return true;
  }
}
