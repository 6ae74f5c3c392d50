import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { cidrsWithin, limitsOf } from './key-limits.ts';

const now = new Date('2026-11-22T00:00:00Z');
const code = (work: () => unknown): string => {
  try {
    work();
    return 'allowed';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('the expiry of a key', () => {
  it('is ninety days where none is asked, none where null is asked, else what is asked', () => {
    expect(limitsOf({}, undefined, now).expires_at).toEqual(new Date('2027-02-20T00:00:00Z'));
    expect(limitsOf({ expiresAt: null }, undefined, now).expires_at).toBeNull();
    const expiresAt = '2030-01-01T00:00:00Z';
    expect(limitsOf({ expiresAt }, undefined, now).expires_at).toEqual(new Date(expiresAt));
    expect(code(() => limitsOf({ expiresAt: '2026-11-22T00:00:00Z' }, undefined, now))).toBe(
      'org.bad_expiry',
    );
  });

  it('is never after that of the key that makes it', () => {
    const maker = { expires_at: new Date('2026-12-01T00:00:00Z'), allowed_cidrs: [] };
    expect(limitsOf({}, maker, now).expires_at).toEqual(maker.expires_at);
    expect(code(() => limitsOf({ expiresAt: '2026-12-01T00:00:00Z' }, maker, now))).toBe('allowed');
    expect(code(() => limitsOf({ expiresAt: '2026-12-01T00:00:01Z' }, maker, now))).toBe('org.beyond_maker');
    expect(code(() => limitsOf({ expiresAt: null }, maker, now))).toBe('org.beyond_maker');
    const endless = { expires_at: null, allowed_cidrs: [] };
    expect(limitsOf({ expiresAt: null }, endless, now).expires_at).toBeNull();
  });
});

describe('the addresses of a key', () => {
  const maker = { expires_at: null, allowed_cidrs: ['192.0.2.0/24', '2001:db8::/32'] };
  const asked = (allowedCidrs?: string[]) => () => limitsOf({ allowedCidrs }, maker, now);

  it('are those of the key that makes it, or fewer', () => {
    expect(asked()().allowed_cidrs).toEqual(maker.allowed_cidrs);
    expect(code(asked(['192.0.2.128/25', '2001:db8:1::/48']))).toBe('allowed');
    for (const wider of [
      [],
      ['192.0.2.0/23'],
      ['0.0.0.0/0'],
      ['192.0.2.0/24', '198.51.100.1/32'],
      ['::/0'],
    ]) {
      expect(code(asked(wider)), wider.join()).toBe('org.beyond_maker');
    }
  });

  it('are said in full', () => {
    for (const wrong of [
      '10/8',
      '192.0.2/24',
      '0x7f.0.0.1/8',
      '192.0.2.0',
      '192.0.2.0/33',
      '::/129',
      '/8',
      '',
    ]) {
      expect(
        code(() => limitsOf({ allowedCidrs: [wrong] }, undefined, now)),
        wrong,
      ).toBe('org.bad_cidr');
    }
  });

  it('never let in one that the outer list does not (property)', () => {
    const octet = fc.integer({ min: 0, max: 3 });
    // Few octets and short differences, so that ranges often meet.
    const address = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.'));
    const cidr = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([a, bits]) => `${a}/${bits}`);
    const list = fc.array(cidr, { maxLength: 3 });
    const allows = (cidrs: string[], ip: string): boolean =>
      cidrs.length === 0 || cidrs.some((one) => ipaddr.parse(ip).match(ipaddr.parseCIDR(one)));
    let within = 0;
    fc.assert(
      fc.property(list, list, address, (inner, outer, ip) => {
        if (!cidrsWithin(inner, outer)) return;
        within += 1;
        expect(allows(outer, ip) || !allows(inner, ip)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
    expect(within).toBeGreaterThan(500);
  });
});
