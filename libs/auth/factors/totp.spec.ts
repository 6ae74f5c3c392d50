import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { newTotpSecret, shownTotp, totpStep } from './totp.ts';

/** RFC 6238 appendix B, the SHA-1 rows: the last six of the eight digits. */
const secret = Buffer.from('12345678901234567890');
const vectors: [number, string][] = [
  [59, '287082'],
  [1111111109, '081804'],
  [1111111111, '050471'],
  [1234567890, '005924'],
  [2000000000, '279037'],
  [20000000000, '353130'],
];
const at = (seconds: number): Date => new Date(seconds * 1_000);

describe('a TOTP code', () => {
  it.each(vectors)('is that of RFC 6238 at %d', (seconds, code) => {
    expect(totpStep(secret, code, at(seconds))).toBe(Math.floor(seconds / 30));
  });

  it('is taken one step early and one late, and no further', () => {
    const step = Math.floor(1111111111 / 30);
    for (const [off, found] of [
      [-60, undefined],
      [-30, step],
      [0, step],
      [30, step],
      [60, undefined],
    ] as const) {
      expect(totpStep(secret, '050471', at(1111111111 + off)), `${off} seconds off`).toBe(found);
    }
  });

  it('may have spaces, and is nothing else than six digits', () => {
    expect(totpStep(secret, '050 471', at(1111111111))).toBeDefined();
    for (const code of ['', '50471', '0050471', '05047l', '٠٥٠٤٧١', '-50471', '5.0471', '050471\n0'])
      expect(totpStep(secret, code, at(1111111111)), JSON.stringify(code)).toBeUndefined();
  });

  const missing = spawnSync('oathtool', ['--version']).error !== undefined;
  if (missing) console.warn('skipped: oathtool is not here (Debian package oathtool)');
  it.skipIf(missing)('is what oathtool computes from the secret as people type it', () => {
    for (let n = 0; n < 20; n += 1) {
      const fresh = newTotpSecret();
      const { secret: base32, uri } = shownTotp(fresh, 'ada@acme.example');
      expect(new URL(uri).searchParams.get('secret')).toBe(base32);
      const now = at(1_790_000_000 + n * 8_191);
      const args = ['--totp=sha1', '--base32', '--digits=6', '--now', now.toISOString(), base32];
      const code = execFileSync('oathtool', args, { encoding: 'utf8', env: { TZ: 'UTC' } }).trim();
      expect(totpStep(fresh, code, now)).toBe(Math.floor(now.getTime() / 30_000));
    }
  });
});

describe('a TOTP secret', () => {
  it('has 160 bits, and its URI says how codes are made', () => {
    const fresh = newTotpSecret();
    expect(fresh).toHaveLength(20);
    const { uri } = shownTotp(fresh, 'ada@acme.example');
    expect(decodeURIComponent(new URL(uri).pathname)).toContain('Portcullis:ada@acme.example');
    expect(Object.fromEntries(new URL(uri).searchParams)).toMatchObject({
      issuer: 'Portcullis',
      algorithm: 'SHA1',
      digits: '6',
      period: '30',
    });
  });
});
