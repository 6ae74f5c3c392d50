import { hash } from 'node:crypto';
import { CanonicalScan, CLOSE, COMMA, OPEN, QUOTE, ZERO } from './canonical-scan.ts';

const SALT = 16;
const LONGEST_VALUE = 16_384;
const MOST_VALUES = 64;
const LETTER_V = 0x76;
const ONE = Buffer.from('1');
const POS = Buffer.from('pos');
const ORG = Buffer.from('org');
const LEAF_HASH = Buffer.from('leafHash');
const PREV_HASH = Buffer.from('prevHash');
const PERSONAL = Buffer.from('personal');
const COMMITMENTS = Buffer.from('commitments');
const POS_MEMBER = Buffer.from(',"pos":');
const LEAF_HASH_MEMBER = Buffer.from(',"leafHash":');
const PREV_HASH_MEMBER = Buffer.from(',"prevHash":');
const PERSONAL_MEMBER = Buffer.from(',"personal":{');
const SALT_MEMBER = Buffer.from('{"salt":"');
const VALUE_MEMBER = Buffer.from('","value":');
const ERASED = Buffer.from('"erased"');
const BASE64URL = new Uint8Array(256).fill(255);
Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_').forEach((byte, digit) => {
  BASE64URL[byte] = digit;
});

/**
 * Reads a line in the one form the export writes, without making objects of it: the canonical leaf (RFC 8785: keys
 * ascending, so none is there twice; no blanks; one way to write each value), then `pos`, `leafHash`, `prevHash` and
 * `personal`. It says yes only where the line is sound in itself: its bytes have its hash, and each personal value is
 * what was committed to. On anything else, be it only unusual, it says no, and `readEvent` tells what it is.
 */
export class SoundLine extends CanonicalScan {
  pos = 0;
  org = '';
  /** Hex. */
  leafHash = '';
  prevHash = '';
  erased = 0;

  /** Places of the commitments: key from, key to, hash from, and 1 once its value was seen. */
  readonly #commitments = new Int32Array(4 * MOST_VALUES);
  #committed = 0;
  readonly #opened = Buffer.alloc(SALT + LONGEST_VALUE);
  #orgFrom = 0;
  #orgTo = 0;
  #isVersion1 = false;

  /**
   * `bytes[from .. to - 1]` is the line, and known to be UTF-8. The byte before it is used for a moment, so `from` is
   * at least 1.
   */
  read(bytes: Buffer, from: number, to: number): boolean {
    this.bytes = bytes;
    this.at = from;
    this.#committed = 0;
    this.erased = 0;
    this.#orgFrom = 0;
    this.#isVersion1 = false;
    // Past the end stands what no value contains, so nothing here reads on beyond the line.
    const leafEnd = this.#leaf();
    if (leafEnd === 0 || this.#orgFrom === 0 || !this.#isVersion1) return false;
    if (!this.#place() || !this.#personal()) return false;
    if (this.at !== to) return false;
    this.#readOrg();
    return this.#hashOf(from, leafEnd) === this.leafHash;
  }

  /** The hash covers 0x00, the leaf, and its closing brace, which stands elsewhere: both are lent for a moment. */
  #hashOf(from: number, leafEnd: number): string {
    const bytes = this.bytes;
    const [before, after] = [bytes[from - 1] ?? 0, bytes[leafEnd] ?? 0];
    bytes[from - 1] = 0;
    bytes[leafEnd] = CLOSE;
    const found = hash('sha256', bytes.subarray(from - 1, leafEnd + 1), 'hex');
    bytes[from - 1] = before;
    bytes[leafEnd] = after;
    return found;
  }

  #readOrg(): void {
    const { org } = this;
    const length = this.#orgTo - this.#orgFrom;
    let same = org.length === length;
    for (let i = 0; same && i < length; i += 1) same = org.charCodeAt(i) === this.bytes[this.#orgFrom + i];
    if (!same) this.org = this.bytes.toString('utf8', this.#orgFrom, this.#orgTo);
  }

  /** The members of the leaf; answers where the comma after the last stands, or 0. */
  #leaf(): number {
    const bytes = this.bytes;
    if (bytes[this.at] !== OPEN) return 0;
    let [beforeFrom, beforeTo] = [0, 0];
    for (;;) {
      const memberAt = this.at;
      this.at += 1;
      const keyFrom = this.at + 1;
      const keyTo = this.key();
      if (keyTo === 0) return 0;
      if (beforeTo !== 0 && !this.ascends(beforeFrom, beforeTo, keyFrom, keyTo)) {
        // It is the first of the members that do not belong to the leaf.
        this.at = memberAt;
        return memberAt;
      }
      [beforeFrom, beforeTo] = [keyFrom, keyTo];
      if (!this.#member(keyFrom, keyTo)) return 0;
      if (bytes[this.at] !== COMMA) return 0;
    }
  }

  #member(keyFrom: number, keyTo: number): boolean {
    switch (keyTo - keyFrom) {
      case 1:
        if (this.bytes[keyFrom] === LETTER_V) {
          this.#isVersion1 = this.skips(ONE);
          return this.#isVersion1;
        }
        break;
      case 3:
        if (this.is(keyFrom, POS)) return false;
        if (this.is(keyFrom, ORG)) return this.#org();
        break;
      case 8:
        if (this.is(keyFrom, LEAF_HASH) || this.is(keyFrom, PREV_HASH) || this.is(keyFrom, PERSONAL))
          return false;
        break;
      case 11:
        if (this.is(keyFrom, COMMITMENTS)) return this.#commitmentList();
        break;
    }
    return this.value(0);
  }

  #org(): boolean {
    this.#orgFrom = this.at + 1;
    this.#orgTo = this.plainString();
    return this.#orgTo > this.#orgFrom;
  }

  #commitmentList(): boolean {
    const bytes = this.bytes;
    if (bytes[this.at] !== OPEN) return false;
    this.at += 1;
    if (bytes[this.at] === CLOSE) {
      this.at += 1;
      return true;
    }
    for (;;) {
      const keyFrom = this.at + 1;
      const keyTo = this.key();
      const n = this.#committed;
      if (keyTo === 0 || n === MOST_VALUES) return false;
      const places = this.#commitments;
      if (n > 0 && !this.ascends(places[4 * n - 4] ?? 0, places[4 * n - 3] ?? 0, keyFrom, keyTo))
        return false;
      places[4 * n] = keyFrom;
      places[4 * n + 1] = keyTo;
      places[4 * n + 2] = this.at + 1;
      places[4 * n + 3] = 0;
      this.#committed = n + 1;
      if (!this.hash()) return false;
      const next = bytes[this.at];
      this.at += 1;
      if (next === CLOSE) return true;
      if (next !== COMMA) return false;
    }
  }

  /** `,"pos":n,"leafHash":"…","prevHash":"…"` */
  #place(): boolean {
    const bytes = this.bytes;
    if (!this.skips(POS_MEMBER)) return false;
    let pos = 0;
    const from = this.at;
    for (let digit = (bytes[this.at] ?? 0) - ZERO; digit >= 0 && digit <= 9;) {
      pos = pos * 10 + digit;
      this.at += 1;
      digit = (bytes[this.at] ?? 0) - ZERO;
    }
    if (bytes[from] === ZERO || this.at === from || this.at - from > 15) return false;
    this.pos = pos;
    if (!this.skips(LEAF_HASH_MEMBER)) return false;
    const leafAt = this.at + 1;
    if (!this.hash() || !this.skips(PREV_HASH_MEMBER)) return false;
    const prevAt = this.at + 1;
    if (!this.hash()) return false;
    this.leafHash = bytes.toString('latin1', leafAt, leafAt + 64);
    this.prevHash = bytes.toString('latin1', prevAt, prevAt + 64);
    return true;
  }

  /** `,"personal":{…}}`: one value for each commitment, in any order. */
  #personal(): boolean {
    const bytes = this.bytes;
    if (!this.skips(PERSONAL_MEMBER)) return false;
    let seen = 0;
    if (bytes[this.at] === CLOSE) this.at += 1;
    else {
      for (;;) {
        const keyFrom = this.at + 1;
        const keyTo = this.key();
        if (keyTo === 0 || !this.#isCommitted(keyFrom, keyTo)) return false;
        seen += 1;
        const next = bytes[this.at];
        this.at += 1;
        if (next === CLOSE) break;
        if (next !== COMMA) return false;
      }
    }
    if (seen !== this.#committed || bytes[this.at] !== CLOSE) return false;
    this.at += 1;
    return true;
  }

  #isCommitted(keyFrom: number, keyTo: number): boolean {
    const bytes = this.bytes;
    const places = this.#commitments;
    for (let n = 0; n < this.#committed; n += 1) {
      const from = places[4 * n] ?? 0;
      if ((places[4 * n + 1] ?? 0) - from !== keyTo - keyFrom) continue;
      let i = 0;
      while (i < keyTo - keyFrom && bytes[from + i] === bytes[keyFrom + i]) i += 1;
      if (i < keyTo - keyFrom) continue;
      if (places[4 * n + 3] === 1) return false;
      places[4 * n + 3] = 1;
      return this.#opens(places[4 * n + 2] ?? 0);
    }
    return false;
  }

  /** `"erased"`, or `{"salt":"…","value":"…"}` whose hash stands at `hashAt`. */
  #opens(hashAt: number): boolean {
    const bytes = this.bytes;
    if (bytes[this.at] === QUOTE) {
      this.erased += 1;
      return this.skips(ERASED);
    }
    if (!this.skips(SALT_MEMBER) || !this.#salt() || !this.skips(VALUE_MEMBER)) return false;
    const from = this.at + 1;
    const to = this.string();
    // A negative end: there are escapes in it.
    if (to === 0 || bytes[this.at] !== CLOSE) return false;
    this.at += 1;
    const length = this.#openedValue(from, to);
    if (length < 0) return false;
    const found = hash('sha256', this.#opened.subarray(0, SALT + length), 'hex');
    return found === bytes.toString('latin1', hashAt, hashAt + 64);
  }

  /** Puts the value behind the salt; its length in bytes, or -1. */
  #openedValue(from: number, to: number): number {
    if (to > 0) {
      if (to - from > LONGEST_VALUE) return -1;
      return this.bytes.copy(this.#opened, SALT, from, to);
    }
    const value: unknown = JSON.parse(this.bytes.toString('utf8', from - 1, 1 - to));
    const encoded = Buffer.from(String(value));
    return encoded.length > LONGEST_VALUE ? -1 : encoded.copy(this.#opened, SALT);
  }

  /** 22 letters of base64url, of which the last says two bits only: 16 bytes. */
  #salt(): boolean {
    const bytes = this.bytes;
    let [bits, held, to] = [0, 0, 0];
    for (let i = 0; i < 22; i += 1) {
      const digit = BASE64URL[bytes[this.at + i] ?? 0] ?? 255;
      if (digit === 255) return false;
      bits = ((bits << 6) | digit) & 0xffff;
      held += 6;
      if (held >= 8) {
        held -= 8;
        this.#opened[to] = (bits >> held) & 0xff;
        to += 1;
      }
    }
    this.at += 22;
    return (bits & 0x0f) === 0;
  }
}
