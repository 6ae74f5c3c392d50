import { hash } from 'node:crypto';

/**
 * A set of passwords as a set of fingerprints: 39 bits of SHA-256 each. The first 16 choose a bucket; the other 23
 * stand in it in ascending order, without gaps. It knows every member. Of what is no member it takes
 * `size / 2^39` for one: less than one in a million below 549,755 members. A look-up is one digest and the few
 * fingerprints of one bucket (seven, of 450,000 members), whatever the size.
 *
 * Bytes: 65,536 buckets' sizes of one byte each, then the fingerprints, most significant bit first.
 */

const BUCKETS = 2 ** 16;
const REST_BITS = 23;
const REST_MASK = 2 ** REST_BITS - 1;
/** So that the last fingerprint can be read as part of a whole word. */
const PADDING = 4;

/** What passwords are compared as: `Pａssword1` and `PASSWORD1` are found where `password1` is a member. */
export function folded(password: string): string {
  return password.normalize('NFKC').toLowerCase();
}

/** Throws where a bucket would overflow: the format is not made for more than some ten million members. */
export function buildFilter(passwords: Iterable<string>): Buffer {
  const distinct = new Set<number>();
  for (const password of passwords) distinct.add(fingerprint(password));
  const sorted = Float64Array.from(distinct).sort();
  const bytes = Buffer.alloc(BUCKETS + Math.ceil((sorted.length * REST_BITS) / 8) + PADDING);
  sorted.forEach((value, index) => {
    const bucket = bucketOf(value);
    bytes.writeUInt8(bytes.readUInt8(bucket) + 1, bucket);
    const bit = index * REST_BITS;
    const at = BUCKETS + (bit >> 3);
    const word = (restOf(value) << (32 - REST_BITS - (bit & 7))) >>> 0;
    bytes.writeUInt32BE((bytes.readUInt32BE(at) | word) >>> 0, at);
  });
  return bytes;
}

export class PasswordFilter {
  /** The number of fingerprints before each bucket, and of all. */
  readonly #starts = new Uint32Array(BUCKETS + 1);
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      this.#starts[bucket + 1] = (this.#starts[bucket] ?? 0) + (bytes[bucket] ?? 0);
    }
    if (bytes.length !== BUCKETS + Math.ceil((this.size * REST_BITS) / 8) + PADDING)
      throw new Error('the list of common passwords is not whole');
  }

  /** The number of fingerprints. */
  get size(): number {
    return this.#starts[BUCKETS] ?? 0;
  }

  /** True for every member, in whatever case. */
  has(password: string): boolean {
    const value = fingerprint(password);
    const bucket = bucketOf(value);
    const rest = restOf(value);
    const end = this.#starts[bucket + 1] ?? 0;
    for (let index = this.#starts[bucket] ?? 0; index < end; index += 1) {
      if (this.#restAt(index) === rest) return true;
    }
    return false;
  }

  #restAt(index: number): number {
    const bit = index * REST_BITS;
    return (this.#bytes.readUInt32BE(BUCKETS + (bit >> 3)) >>> (32 - REST_BITS - (bit & 7))) & REST_MASK;
  }
}

/** 39 bits, the bucket first. */
function fingerprint(password: string): number {
  return Math.floor(hash('sha256', folded(password), 'buffer').readUIntBE(0, 5) / 2);
}

function bucketOf(value: number): number {
  return Math.floor(value / 2 ** REST_BITS);
}

function restOf(value: number): number {
  return value % 2 ** REST_BITS;
}
