import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { clientDigest } from './refresh-grace.ts';

const key = randomBytes(32);
const digest = (ip: string | undefined, userAgent: string | undefined = 'Firefox', token = 'a') =>
  clientDigest(key, token, { ...(ip !== undefined && { ip }), userAgent });

describe('the same client', () => {
  it.each([
    ['192.0.2.1', '192.0.2.254'],
    ['192.0.2.1', '::ffff:192.0.2.1'],
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9'],
  ])('may come from %s and from %s', (one, other) => {
    expect(digest(one)).toBe(digest(other));
  });

  it.each([
    ['192.0.2.1', '192.0.3.1'],
    ['2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['192.0.2.1', '2001:db8:1:2::1'],
    ['192.0.2.0', 'c000:0200::'],
  ])('does not come from %s and from %s', (one, other) => {
    expect(digest(one)).not.toBe(digest(other));
  });

  it('keeps its user agent, or goes without one', () => {
    expect(digest('192.0.2.1', 'Firefox')).not.toBe(digest('192.0.2.1', 'Chrome'));
    const without = clientDigest(key, 'a', { ip: '192.0.2.1' });
    expect(without).toBe(clientDigest(key, 'a', { ip: '192.0.2.2' }));
    expect(without).not.toBe(digest('192.0.2.1', ''));
  });

  it.each([undefined, '', 'nonsense'])('is nobody at the address %s', (ip) => {
    expect(digest(ip)).toBeUndefined();
  });

  it('cannot be told across tokens, nor without the key', () => {
    expect(digest('192.0.2.1', 'Firefox', 'a')).not.toBe(digest('192.0.2.1', 'Firefox', 'b'));
    const other = clientDigest(randomBytes(32), 'a', { ip: '192.0.2.1', userAgent: 'Firefox' });
    expect(other).not.toBe(digest('192.0.2.1'));
  });
});
