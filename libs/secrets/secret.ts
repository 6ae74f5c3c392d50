import { inspect } from 'node:util';
import { sameSecret } from '#kernel';

const SHOWN = '[secret]';

/**
 * A text that must not be seen. Whatever prints it (a template, JSON, a log, an error, a debugger's inspect) prints
 * `[secret]`; `reveal()` is the only way out, so that every place where a secret leaves can be found by that name.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The text itself. Hold it as short as possible, and give it only to what needs it. */
  reveal(): string {
    return this.#value;
  }

  /** Compares without telling by its duration where the two differ. */
  equals(other: Secret | string): boolean {
    return sameSecret(this.#value, typeof other === 'string' ? other : other.reveal());
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [Symbol.toPrimitive](): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

/** A value that a reference was resolved to, and what the record of its use says of it. */
export class ResolvedSecret extends Secret {
  constructor(
    value: string,
    readonly found: {
      readonly secretId: string;
      readonly path: string;
      readonly version: number;
      /** HMAC of the value under the organization's key, base64url. */
      readonly digest: string;
    },
  ) {
    super(value);
  }
}
