import { describe, expect, it } from 'vitest';
import { reasonCatalogue } from './reasons.ts';
import { verdicts } from './vocabulary.ts';

describe('the registry of reasons', () => {
  it('says of each what it means, who must act and what to do', () => {
    for (const { code, verdict, meaning, actor, action } of reasonCatalogue.items) {
      expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(verdicts).toContain(verdict);
      for (const text of [meaning, action]) expect(text, code).toMatch(/^[A-Z].*\.$/);
      expect(actor === 'nobody', code).toBe(code === 'satisfied');
      expect(verdict === 'ready', code).toBe(code === 'satisfied');
    }
  });

  it('blocks on all that is missing, stale, in conflict or not understood', () => {
    const worst = reasonCatalogue.items
      .filter(({ verdict }) => verdict === 'blocked')
      .map(({ code }) => code);
    expect(worst).toEqual(
      expect.arrayContaining([
        'missing_input',
        'stale_projection',
        'owner_missing',
        'owner_changed',
        'owner_conflict',
        'clock_skew',
        'unknown_value',
        'tenant_mismatch',
      ]),
    );
  });
});
