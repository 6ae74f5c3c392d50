import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SinkEvent } from '../delivery.ts';
import { headerField, syslogFrame } from './syslog-frame.ts';

const event = (line: string, more: Partial<SinkEvent> = {}): SinkEvent => ({
  org: '01a20201-0000-7000-8000-000000000000',
  pos: 7,
  id: '01a20201-0000-7000-8000-000000000007',
  time: '2026-11-22T04:11:11.114Z',
  action: 'auth.signed_in',
  severity: 1,
  leafHash: 'ab'.repeat(32),
  line,
  ...more,
});
const sender = { hostname: 'host', procId: '42' };

/** RFC 5424 and 5425, read anew. */
function parse(frame: Buffer): {
  length: number;
  header: string;
  data: Map<string, string>;
  message: Buffer;
} {
  const blank = frame.indexOf(0x20);
  const length = Number(frame.subarray(0, blank).toString());
  const rest = frame.subarray(blank + 1);
  const text = rest.toString();
  const [, header = '', sd = ''] =
    /^(<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+) \[portcullis@32473((?: \w+="(?:[^"\\\]]|\\["\\\]])*")*)\] /.exec(
      text,
    ) ?? [];
  const data = new Map(
    [...sd.matchAll(/ (\w+)="((?:[^"\\\]]|\\["\\\]])*)"/g)].map(([, name = '', value = '']) => [
      name,
      value.replaceAll(/\\(["\\\]])/g, '$1'),
    ]),
  );
  const at = Buffer.byteLength(`${header} [portcullis@32473${sd}] `);
  return { length, header, data, message: rest.subarray(at) };
}

describe('a syslog frame', () => {
  it('counts its octets, and is of facility 13', () => {
    const frame = syslogFrame(event('{"a":"ü"}'), sender, 8_192);
    const { length, header, data, message } = parse(frame);
    expect(frame.length).toBe(String(length).length + 1 + length);
    expect(header).toBe('<110>1 2026-11-22T04:11:11.114Z host portcullis 42 auth.signed_in');
    expect(Object.fromEntries(data)).toEqual({
      org: '01a20201-0000-7000-8000-000000000000',
      pos: '7',
      id: '01a20201-0000-7000-8000-000000000007',
      leafHash: 'ab'.repeat(32),
    });
    expect(message.toString()).toBe('{"a":"ü"}');
  });

  it('is never longer than allowed, never cuts a character, and says that it was cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 5_000 }), (text) => {
        const line = JSON.stringify(text);
        const { length, data, message } = parse(syslogFrame(event(line), sender, 2_048));
        expect(length).toBeLessThanOrEqual(2_048);
        const full = Buffer.from(line);
        if (data.has('is_truncated')) {
          expect(data.get('is_truncated')).toBe('true');
          expect(data.get('untruncated_size')).toBe(String(full.length));
          expect(full.subarray(0, message.length).equals(message)).toBe(true);
          expect(Buffer.from(message.toString()).equals(message)).toBe(true);
          expect(length).toBeGreaterThan(2_048 - 4);
        } else {
          expect(message.equals(full)).toBe(true);
        }
      }),
    );
  });

  it('escapes what ends a value, and holds no newline', () => {
    const frame = syslogFrame(event('a\nb', { org: 'x"]\\y' }), sender, 8_192);
    expect(parse(frame).data.get('org')).toBe('x"]\\y');
    expect(frame.includes('\n')).toBe(false);
  });

  it('has a header of printable ASCII', () => {
    expect(headerField('host näme', 255)).toBe('hostnme');
    expect(headerField('ü', 255)).toBe('-');
    expect(headerField('x'.repeat(300), 255)).toHaveLength(255);
  });
});
