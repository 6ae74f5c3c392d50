import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** SHA-256 (FIPS 180-4) as 32 bytes. */
export function sha256(data: string | Uint8Array): Buffer {
  return hash('sha256', data, 'buffer');
}

/** SHA-256 as base64url text: what tokens are looked up by, so that memory and database hold no token. */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'base64url');
}

/** `bytes` random bytes (CSPRNG) as base64url text without padding. */
export function randomText(bytes: number): string {
  return randomBytes(bytes).toString('base64url');
}

/** Compares without telling by its duration where two texts differ; texts of unlike length are unlike. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(sha256(a), sha256(b));
}
