import { randomUUIDv7 } from 'node:crypto';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A new identifier: UUID version 7 (RFC 9562 section 5.7), so that ids sort by the time they were made. */
export function newId(): string {
  return randomUUIDv7();
}

const serialBase = newId().slice(0, 24);
let serial = 0;

/**
 * An identifier in the form of UUID version 7 that costs next to nothing: unique, for its first half is this
 * process's own, but easy to guess. For requests, whose ids give nobody anything.
 */
export function serialId(): string {
  serial += 1;
  return serialBase + serial.toString(16).padStart(12, '0');
}

/** True for the canonical lower-case text form of a UUID (RFC 9562 section 4), the only form the API takes. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}
