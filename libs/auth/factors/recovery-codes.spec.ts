import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MasterKey } from '#secrets';
import { RecoveryCodes } from './recovery-codes.ts';

const codes = new RecoveryCodes(new MasterKey(randomBytes(32)));

describe('recovery codes', () => {
  it('are ten, each of 120 random bits', () => {
    const all = Array.from({ length: 50 }, () => codes.generate()).flat();
    expect(codes.generate()).toHaveLength(10);
    expect(new Set(all).size).toBe(500);
    for (const code of all) expect(code).toMatch(/^[a-z2-7]{4}(-[a-z2-7]{4}){5}$/);
    // Every letter at every place: none of the bits stands still.
    for (let place = 0; place < 24; place += 1) {
      expect(new Set(all.map((code) => code.replaceAll('-', '')[place])).size).toBe(32);
    }
  });

  it('are known however they are typed, only under their key and only as their owner’s', () => {
    const [code = ''] = codes.generate();
    const digest = codes.digest('ada', code);
    expect(codes.digest('ada', code.toUpperCase().replaceAll('-', ' '))).toBe(digest);
    expect(codes.digest('gus', code)).not.toBe(digest);
    expect(new RecoveryCodes(new MasterKey(randomBytes(32))).digest('ada', code)).not.toBe(digest);
  });
});
