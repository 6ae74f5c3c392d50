import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { computing } from '../../../test/kit/stopwatch.ts';
import { deviceLabel } from './device-label.ts';

describe('the label of a device', () => {
  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'Firefox on Linux'],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0',
      'Microsoft Edge on Windows',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
      'Safari on iOS',
    ],
    ['curl/8.5.0', 'curl'],
    ['portcullis-cli/1.0 (linux)', 'portcullis-cli on Linux'],
    ['node', 'node'],
    ['Mozilla/5.0', undefined],
    ['((((', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of %s is %s', (userAgent, label) => {
    expect(deviceLabel(userAgent)).toBe(label);
    expect(deviceLabel(userAgent)).toBe(label);
  });

  it('is short whatever is sent, and soon found', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 256, unit: 'binary-ascii' }), (userAgent) => {
        let label = 'none';
        const ms = computing(() => (label = deviceLabel(userAgent) ?? 'none'));
        expect(label.length).toBeGreaterThan(0);
        expect(label.length).toBeLessThanOrEqual(60);
        expect(ms).toBeLessThan(100);
      }),
      { numRuns: 2_000 },
    );
  });
});
