import { isUtf8 } from 'node:buffer';

/** The largest line that is read. */
const LONGEST_LINE = 16 * 1024 * 1024;

/** Told of every line, in order; `clean`: it is UTF-8. The byte before a line may be written on for a moment. */
type OnLine = (bytes: Buffer, from: number, to: number, clean: boolean) => void;

/** Cuts chunks into lines at line feeds, and copies only the line that goes on in the next chunk. */
export class LineFeed {
  readonly #onLine: OnLine;
  #rest: Buffer[] = [];
  #restLength = 0;

  constructor(onLine: OnLine) {
    this.#onLine = onLine;
  }

  write(chunk: Uint8Array): void {
    const last = chunk.lastIndexOf(0x0a);
    if (last === -1) return this.#keep(chunk);
    // One byte in front for the reader of the first line.
    const text = Buffer.concat([FRONT, ...this.#rest, chunk.subarray(0, last + 1)]);
    this.#rest = [];
    this.#restLength = 0;
    this.#cut(text);
    if (last + 1 < chunk.length) this.#keep(chunk.subarray(last + 1));
  }

  /** The last line may lack its line feed. */
  end(): void {
    if (this.#restLength === 0) return;
    const text = Buffer.concat([FRONT, ...this.#rest]);
    this.#rest = [];
    this.#restLength = 0;
    this.#onLine(text, 1, text.length, isUtf8(text));
  }

  #cut(text: Buffer): void {
    const clean = isUtf8(text);
    let from = 1;
    for (let to = text.indexOf(0x0a, from); to !== -1; to = text.indexOf(0x0a, from)) {
      this.#onLine(text, from, to, clean);
      from = to + 1;
    }
  }

  #keep(chunk: Uint8Array): void {
    // Copied, for whoever reads may use its buffer again.
    this.#rest.push(Buffer.from(chunk));
    this.#restLength += chunk.length;
    if (this.#restLength > LONGEST_LINE) throw new Error('a line is longer than 16 MiB');
  }
}

const FRONT = Buffer.from([0x0a]);
