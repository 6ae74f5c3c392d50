import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { readPrivateFile, sameSecret, StartError } from '#kernel';
import { deriveKey, KEY_BYTES, seal, unseal } from './aead.ts';

export interface KeyFiles {
  readonly path: string;
  /** Whether one is made where there is none. */
  readonly create: boolean;
  /** Of the key that this one takes over from. */
  readonly previousPath: string | undefined;
}

/**
 * The key that every secret in the database is wrapped by. It lies in a file of its own, never in the database:
 * a stolen database alone opens nothing.
 *
 * It is rotated in stages. A process may hold two keys, the current and the previous one, and opens what either
 * wrapped; it wraps by the one that the database says it is of. So a new key is inert until every process has it,
 * and then takes over everywhere at once (see rotation/).
 */
export class MasterKey {
  readonly #current: Key;
  readonly #previous: Key | undefined;
  /** The one the database is of. */
  #established: Key;

  constructor(current: Buffer, previous?: Buffer) {
    this.#current = new Key(current);
    this.#previous = previous && new Key(previous);
    this.#established = this.#current;
    if (this.#previous?.id === this.#current.id) {
      throw new StartError('the master key and the previous master key are the same');
    }
  }

  /**
   * Reads the key file (base64url, mode 0600 or 0640), and the file of the previous key where one is named. Writes
   * nothing. Undefined where there is no file and one may be made (`create`); a StartError for all else.
   */
  static read({ path, create, previousPath }: KeyFiles): MasterKey | undefined {
    if (!existsSync(path)) {
      if (create && previousPath === undefined) return undefined;
      throw new StartError(`the master key file ${path} does not exist`);
    }
    return new MasterKey(readKey(path), previousPath === undefined ? undefined : readKey(previousPath));
  }

  /** Makes a key and its file, where no other process has meanwhile; else reads that one. */
  static make(path: string): MasterKey {
    try {
      writeFileSync(path, `${randomBytes(KEY_BYTES).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    return new MasterKey(readKey(path));
  }

  /** A key for one purpose (HKDF, RFC 5869); another one after a rotation, so only for what is short-lived. */
  derive(purpose: string): Buffer {
    return this.#established.derive(purpose);
  }

  /** What the database remembers of the key, to tell a wrong one before anything is written. Reveals nothing. */
  get checkValue(): string {
    return this.#established.checkValue;
  }

  /** Takes the key that a database is of. False, and nothing changes, where this process does not have it. */
  establish(checkValue: string): boolean {
    const found = [this.#current, this.#previous].find(
      (key) => key && sameSecret(key.checkValue, checkValue),
    );
    if (found) this.#established = found;
    return found !== undefined;
  }

  /**
   * The same before anything is written: a StartError where this process has not the key that a database is of.
   * `checkValue` is undefined for one that is of none yet.
   */
  static requireFitting(key: MasterKey | undefined, path: string, checkValue: string | undefined): void {
    if (checkValue === undefined) return;
    if (!key) {
      throw new StartError(
        `the master key file ${path} does not exist, and this database was set up with one: bring it back, or name ` +
          'it by PORTCULLIS_MASTER_KEY_FILE; nothing was written',
      );
    }
    if (key.establish(checkValue)) return;
    throw new StartError('the master key is not the one this database was set up with; nothing was written');
  }

  /** Whether the current key is still to take over from the previous one. */
  get isStaged(): boolean {
    return this.#established !== this.#current;
  }

  /** The current key takes over in this process. */
  advance(): void {
    this.#established = this.#current;
  }

  /** AES-256-GCM; `context` (kind and id of the row) is authenticated, so that a wrapped value opens only there. */
  wrap(plain: Buffer, context: string): string {
    return this.#established.wrap(plain, context);
  }

  /** Throws where neither key wrapped it, the context is another, or the value was altered. */
  unwrap(wrapped: string, context: string): Buffer {
    const [id, value] = split(wrapped);
    const keys = [this.#current, this.#previous].filter((key) => key !== undefined);
    // What was wrapped before keys had ids is tried with each.
    const fitting = id === undefined ? keys : keys.filter((key) => key.id === id);
    let failure: unknown = new Error('it was wrapped by a master key that this process does not have');
    for (const key of fitting) {
      try {
        return key.unwrap(value, context);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** The same value wrapped by the current key, or undefined where it is already. Throws as `unwrap` does. */
  rewrap(wrapped: string, context: string): string | undefined {
    const [id] = split(wrapped);
    return id === this.#current.id ? undefined : this.wrapByCurrent(this.unwrap(wrapped, context), context);
  }

  /** Names the current key in front of what it has wrapped. */
  get currentId(): string {
    return this.#current.id;
  }

  /** For what a rotation writes before the current key has taken over. */
  wrapByCurrent(plain: Buffer, context: string): string {
    return this.#current.wrap(plain, context);
  }

  /** What the database remembers once the current key has taken over. */
  get currentCheckValue(): string {
    return this.#current.checkValue;
  }
}

/** One key. */
class Key {
  readonly #key: Buffer;
  readonly #derived = new Map<string, Buffer>();
  /** Tells wrapped values of this key from those of another. Reveals nothing. */
  readonly id: string;

  constructor(key: Buffer) {
    if (key.length !== KEY_BYTES) throw new Error(`the master key must have ${KEY_BYTES} bytes`);
    this.#key = key;
    this.id = this.derive('key-id').subarray(0, 6).toString('base64url');
  }

  derive(purpose: string): Buffer {
    const known = this.#derived.get(purpose) ?? deriveKey(this.#key, purpose);
    this.#derived.set(purpose, known);
    return known;
  }

  get checkValue(): string {
    return this.derive('check').toString('base64url');
  }

  wrap(plain: Buffer, context: string): string {
    return `${this.id}.${seal(this.derive('wrap'), plain, context).toString('base64url')}`;
  }

  unwrap(value: string, context: string): Buffer {
    return unseal(this.derive('wrap'), Buffer.from(value, 'base64url'), context);
  }
}

function split(wrapped: string): [id: string | undefined, value: string] {
  const dot = wrapped.indexOf('.');
  return dot < 0 ? [undefined, wrapped] : [wrapped.slice(0, dot), wrapped.slice(dot + 1)];
}

function readKey(path: string): Buffer {
  const key = Buffer.from(readPrivateFile(path).toString().trim(), 'base64url');
  if (key.length === KEY_BYTES) return key;
  throw new StartError(`the master key file ${path} must hold ${KEY_BYTES} bytes as base64url`);
}
