import { isUtf8 } from 'node:buffer';
import type { Fault, FaultMaker } from '#kernel';
import { HttpFault } from './http.faults.ts';

/** Objects and arrays may stand this deep within each other. */
export const MAX_DEPTH = 32;
/** A path in a message holds keys the client chose; it gets no more of them back than this. */
const MAX_PATH = 200;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const SPACE = 0x20;

/**
 * Reads a JSON text (RFC 8259) of which two readers cannot make two things: what a proxy, an audit sink and this
 * process see in it is the same. Refuses duplicate keys at any depth, keys that reach for prototypes, NUL and lone
 * surrogates in any string, numbers a double does not hold exactly or at all, and nesting beyond MAX_DEPTH.
 * Throws a Fault whose `errors` name the path (`members[0].email`).
 */
export function parseStrictJson(body: Uint8Array): unknown {
  if (!isUtf8(body)) throw refuse(HttpFault.invalid_json, '', 'is not valid UTF-8');
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // V8's message quotes the body, which may hold a password.
    throw refuse(HttpFault.invalid_json, '', text.trim() === '' ? 'is empty' : 'is not valid JSON');
  }
  new Scan(text).run();
  return value;
}

function refuse(fault: FaultMaker, path: string, message: string): Fault {
  return fault({ errors: [{ path, message }] });
}

/** One pass over a text that JSON.parse has accepted, so that only our own rules remain to be checked. */
class Scan {
  private at = 0;
  /** The keys and indexes that lead to where we are, for the message. */
  private readonly trail: (string | number)[] = [];
  /** Without a backslash in the whole text no string needs unescaping, and none can hold NUL or half a pair. */
  private readonly escapes: boolean;

  constructor(private readonly text: string) {
    this.escapes = text.includes('\\');
  }

  run(): void {
    this.skipSpace();
    this.value();
  }

  private value(): void {
    const code = this.text.charCodeAt(this.at);
    if (code === OPEN_OBJECT) this.object();
    else if (code === OPEN_ARRAY) this.array();
    else if (code === QUOTE) this.string();
    else this.literal();
  }

  private object(): void {
    this.enter();
    if (this.text.charCodeAt(this.at) === CLOSE_OBJECT) {
      this.at++;
      return;
    }
    const depth = this.trail.length;
    const keys = new Set<string>();
    for (;;) {
      const key = this.string();
      this.trail[depth] = key;
      if (keys.has(key)) this.fail(HttpFault.invalid_json, 'stands twice in the same object');
      keys.add(key);
      if (key === '__proto__' || (key === 'prototype' && this.trail[depth - 1] === 'constructor')) {
        this.fail(HttpFault.invalid_json, 'is not a key this API takes');
      }
      this.skipSpace();
      this.at++; // the colon
      this.skipSpace();
      this.value();
      if (this.endsWith(CLOSE_OBJECT)) break;
    }
    this.trail.length = depth;
  }

  private array(): void {
    this.enter();
    if (this.text.charCodeAt(this.at) === CLOSE_ARRAY) {
      this.at++;
      return;
    }
    const depth = this.trail.length;
    for (let index = 0; ; index++) {
      this.trail[depth] = index;
      this.value();
      if (this.endsWith(CLOSE_ARRAY)) break;
    }
    this.trail.length = depth;
  }

  private enter(): void {
    if (this.trail.length >= MAX_DEPTH) {
      this.fail(HttpFault.invalid_json, `is nested deeper than ${MAX_DEPTH} levels`);
    }
    this.at++;
    this.skipSpace();
  }

  /** Past the comma (false) or the closing bracket (true) that follows a member. */
  private endsWith(close: number): boolean {
    this.skipSpace();
    const closed = this.text.charCodeAt(this.at) === close;
    this.at++;
    if (!closed) this.skipSpace();
    return closed;
  }

  /** Past a string; its value, where it has escapes, is what they stand for. */
  private string(): string {
    const start = this.at + 1;
    let end = this.text.indexOf('"', start);
    if (!this.escapes) {
      this.at = end + 1;
      return this.text.slice(start, end);
    }
    while (this.isEscaped(end)) end = this.text.indexOf('"', end + 1);
    this.at = end + 1;
    const raw = this.text.slice(start, end);
    if (!raw.includes('\\')) return raw;
    const value = JSON.parse(`"${raw}"`) as string;
    if (value.includes('\0')) this.fail(HttpFault.invalid_input, 'must not hold the character NUL');
    if (!value.isWellFormed()) this.fail(HttpFault.invalid_input, 'must not hold half a surrogate pair');
    return value;
  }

  /** Does an odd run of backslashes stand before this quote? */
  private isEscaped(quote: number): boolean {
    let before = quote - 1;
    while (this.text.charCodeAt(before) === BACKSLASH) before--;
    return (quote - before) % 2 === 0;
  }

  private literal(): void {
    const start = this.at;
    let code = this.text.charCodeAt(this.at);
    while (code > SPACE && code !== COMMA && code !== CLOSE_OBJECT && code !== CLOSE_ARRAY) {
      code = this.text.charCodeAt(++this.at);
    }
    // Three characters cannot write a number that large.
    if (this.at - start <= 3) return;
    const value = Number(this.text.slice(start, this.at));
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER) {
      this.fail(HttpFault.invalid_input, 'is a number beyond the range that all readers agree on');
    }
  }

  private skipSpace(): void {
    while (this.text.charCodeAt(this.at) <= SPACE) this.at++;
  }

  private fail(fault: FaultMaker, message: string): never {
    throw refuse(fault, pathOf(this.trail), message);
  }
}

function pathOf(trail: readonly (string | number)[]): string {
  let path = '';
  for (const part of trail) {
    if (typeof part === 'number') path += `[${part}]`;
    else path += path === '' ? part : `.${part}`;
  }
  return path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}…` : path;
}
