import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from './secret.ts';

const VALUE = 'canary-7d1f4c';
const secret = new Secret(VALUE);

const ways: Record<string, () => unknown> = {
  'as a string': () => String(secret),
  'in a template': () => `the value is ${secret as unknown as string}`,
  'by concatenation': () => ['a', secret].join(''),
  'as JSON': () => JSON.stringify({ deep: [{ secret }] }),
  'by inspect': () => inspect({ deep: { secret } }, { depth: 9, showHidden: true, getters: true }),
  'by inspect without its own words': () => inspect(secret, { customInspect: false, showHidden: true }),
  'in an error': () => inspect(new Error(`no ${secret as unknown as string}`, { cause: secret })),
  'as entries': () => JSON.stringify(Object.entries(secret).concat(Object.entries({ ...secret }))),
  'as own properties': () => Reflect.ownKeys(secret).map(String).join(),
  'as a clone': () => inspect(structuredClone({ secret }), { showHidden: true }),
  'in a log': () => JSON.stringify({ clean: secret, more: inspect(secret) }),
};

describe('a secret', () => {
  for (const [way, print] of Object.entries(ways)) {
    it(`does not show ${way}`, () => {
      expect(print()).not.toContain(VALUE);
    });
  }

  it('says what it is instead', () => {
    expect([String(secret), JSON.stringify(secret), inspect(secret)]).toEqual([
      '[secret]',
      '"[secret]"',
      '[secret]',
    ]);
  });

  it('is revealed on purpose, and compared without that', () => {
    expect(secret.reveal()).toBe(VALUE);
    expect(secret.equals(new Secret(VALUE))).toBe(true);
    expect(secret.equals(`${VALUE}.`)).toBe(false);
  });
});
