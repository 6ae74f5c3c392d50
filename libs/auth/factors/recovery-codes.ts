import { Injectable } from '@nestjs/common';
import { createHmac, randomBytes } from 'node:crypto';
import { MasterKey } from '#secrets';

const CODES = 10;
/** 120 bits: no guessing, on-line or off-line. */
const CODE_BYTES = 15;
/** With as many left, people are told to make new ones. */
export const FEW_CODES = 3;

/** RFC 4648 section 6, in small letters. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** Codes that stand in for a lost factor, each once. Kept as keyed hashes: a stolen database alone tests no guess. */
@Injectable()
export class RecoveryCodes {
  readonly #key: Buffer;

  constructor(masterKey: MasterKey) {
    this.#key = masterKey.derive('recovery-codes');
  }

  /** New codes, to be shown once, like `abcd-efgh-ijkl-mnop-qrst-uvwx`. */
  generate(): string[] {
    return Array.from({ length: CODES }, () => {
      const letters = base32(randomBytes(CODE_BYTES));
      return letters.match(/.{4}/g)?.join('-') ?? letters;
    });
  }

  /** What is stored and looked up. Hyphens, spaces and case do not matter. */
  digest(userId: string, code: string): string {
    const letters = code.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
    return createHmac('sha256', this.#key).update(`${userId}\0${letters}`).digest('base64url');
  }
}

function base32(bytes: Buffer): string {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  return Array.from({ length: (bytes.length * 8) / 5 }, (_, index) => {
    const shift = BigInt(bytes.length * 8 - 5 * (index + 1));
    return ALPHABET[Number((bits >> shift) & 31n)];
  }).join('');
}
