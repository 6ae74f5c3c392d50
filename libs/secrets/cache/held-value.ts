import { ResolvedSecret } from '../secret.ts';

/**
 * A value in memory, as bytes that can be wiped: what is given out of it are texts, which JavaScript cannot erase,
 * but which nobody keeps.
 */
export class HeldValue {
  readonly #bytes: Buffer;
  #wiped = false;

  constructor(
    secret: ResolvedSecret,
    /** What names its path in the stream of invalidations. */
    readonly subject: string,
    /** When the store was asked, by the clock that never goes back: the value is at least this old. */
    readonly askedAt: number,
  ) {
    // Of its own, not of the pool that small buffers share.
    this.#bytes = Buffer.alloc(Buffer.byteLength(secret.reveal()), secret.reveal());
    this.found = secret.found;
  }

  readonly found: ResolvedSecret['found'];
  /** Until then the store is not asked again: it has just been, and said nothing. */
  quietUntil = -Infinity;
  /** When it is wiped, though nobody asks. */
  keepUntil = -Infinity;

  get isWiped(): boolean {
    return this.#wiped;
  }

  /** The value, or undefined where it was wiped. */
  take(): ResolvedSecret | undefined {
    return this.#wiped ? undefined : new ResolvedSecret(this.#bytes.toString(), this.found);
  }

  wipe(): void {
    this.#wiped = true;
    this.#bytes.fill(0);
  }
}
