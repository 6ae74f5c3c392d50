import { createHmac, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * API keys: `pck_<id>_<secret><checksum>`, where id is the key's UUID without hyphens, secret 24 random bytes and
 * checksum the CRC-32 of all before it, each in hex. The checksum lets scanners tell a real key from a look-alike
 * without asking us; secret scanners find keys by API_KEY_PATTERN.
 */
export const API_KEY_PATTERN = 'pck_[0-9a-f]{32}_[0-9a-f]{56}';

const KEY = new RegExp(`^${API_KEY_PATTERN}$`);

/** A new key for an id. */
export function makeApiKey(id: string): string {
  const body = `pck_${id.replaceAll('-', '')}_${randomBytes(24).toString('hex')}`;
  return body + checksum(body);
}

/** The id in a key, or undefined where the text is no key. Says nothing of whether the key is accepted. */
export function readApiKey(text: string): string | undefined {
  if (!KEY.test(text) || checksum(text.slice(0, -8)) !== text.slice(-8)) return undefined;
  const hex = text.slice(4, 36);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** What is stored of a key. The pepper lies outside the database, so a stolen table cannot even test guesses. */
export function keyDigest(key: string, pepper: Buffer): string {
  return createHmac('sha256', pepper).update(key).digest('base64url');
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}
