import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

/** RFC 6238 as every authenticator app knows it. */
const SHAPE = { algorithm: 'SHA1', digits: 6, period: 30 } as const;
const ISSUER = 'Portcullis';
/** Steps before and after the present one whose codes are accepted, for clocks that differ. */
const WINDOW = 1;
/** RFC 4226 section 4: 160 bits are advised. */
const SECRET_BYTES = 20;

export function newTotpSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** The secret as people type it (base32), and the URI that a QR code shows (Key URI format). */
export function shownTotp(secret: Buffer, account: string): { secret: string; uri: string } {
  const totp = new TOTP({ ...SHAPE, issuer: ISSUER, label: account, secret: secretOf(secret) });
  return { secret: totp.secret.base32, uri: totp.toString() };
}

/** The time step whose code this is, within the window around `now`; undefined where it is none. */
export function totpStep(secret: Buffer, code: string, now: Date): number | undefined {
  const timestamp = now.getTime();
  const digits = code.replaceAll(' ', '');
  if (!/^\d{6}$/.test(digits)) return undefined;
  const delta = TOTP.validate({
    ...SHAPE,
    token: digits,
    secret: secretOf(secret),
    timestamp,
    window: WINDOW,
  });
  return delta === null ? undefined : TOTP.counter({ period: SHAPE.period, timestamp }) + delta;
}

function secretOf(bytes: Buffer): Secret {
  // A copy: a small Buffer is a view into a larger pool.
  return new Secret({ buffer: Uint8Array.from(bytes).buffer });
}
