/** Signature, flags and length of the extension, which has none (PostgreSQL manual, COPY, "Binary Format"). */
const HEADER = 19;
/** Before each value: the number of columns in two bytes, the length of the value in four. */
const FRAME = 6;
/** Instead of a number of columns, after the last row. */
const TRAILER = Buffer.from([0xff, 0xff]);

/**
 * The values of a binary COPY of one column, as pieces of the buffers that they came in: nothing is copied, and the
 * work is by value, so a value should be many lines.
 */
export class CopiedLines {
  #rest: Buffer = Buffer.alloc(0);
  #frame = HEADER;
  /** Bytes of the value under way that have not come yet. */
  #left = 0;

  take(chunk: Buffer): Buffer[] {
    const data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const pieces: Buffer[] = [];
    let at = 0;
    while (this.#left > 0 || data.length - at >= this.#frame) {
      if (this.#left === 0) {
        if (this.#frame === FRAME) this.#left = Math.max(data.readInt32BE(at + 2), 0);
        at += this.#frame;
        this.#frame = FRAME;
        continue;
      }
      const end = Math.min(at + this.#left, data.length);
      if (end === at) break;
      pieces.push(data.subarray(at, end));
      this.#left -= end - at;
      at = end;
    }
    this.#rest = data.subarray(at);
    return pieces;
  }

  /** Throws where the COPY ended before its end. */
  finish(): void {
    if (this.#left > 0 || !this.#rest.equals(TRAILER)) throw new Error('COPY ended before its last row');
  }
}
