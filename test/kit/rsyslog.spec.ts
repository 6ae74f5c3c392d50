import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rsyslog, rsyslogMissing, startRsyslog } from './rsyslog.ts';

if (rsyslogMissing) console.warn(`skipped: ${rsyslogMissing}`);

describe.skipIf(rsyslogMissing)('rsyslog as the way into a SIEM', () => {
  let rsyslog: Rsyslog;
  beforeAll(async () => {
    rsyslog = await startRsyslog();
  });
  afterAll(() => rsyslog?.stop());

  it('writes 5,000 lines as they came, in order, apart by organization', async () => {
    const event = fc.record({
      org: fc.constantFrom('first', 'second'),
      text: fc.string({ unit: 'binary', maxLength: 2000 }),
      blanks: fc.constantFrom(
        '',
        ' ',
        '  leading',
        'trailing  ',
        '\ttab',
        '#001',
        '%msg%',
        '<13>1 -',
        'a\r\nb',
        '\u2028',
      ),
      deep: fc.jsonValue({ maxDepth: 4 }),
    });
    const lines = fc.sample(event, 5000).map((one) => JSON.stringify(one));
    lines[17] = JSON.stringify({ org: 'first', long: 'ж'.repeat(200_000) });
    expect(Math.max(...lines.map((line) => line.length))).toBeGreaterThan(8 * 1024);
    for (let at = 0; at < lines.length; at += 700) await rsyslog.ship(lines.slice(at, at + 700));
    for (const org of ['first', 'second']) {
      const sent = lines.filter((line) => (JSON.parse(line) as { org: string }).org === org);
      expect(sent.length).toBeGreaterThan(1000);
      expect(await rsyslog.received(org)).toEqual(sent);
    }
  });

  it('takes no line that is not one', async () => {
    await expect(rsyslog.ship(['{}', '{\n}'])).rejects.toThrow('not one line');
  });
});
