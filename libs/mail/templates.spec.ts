import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compose } from './compose.ts';
import { type MailMessage, render } from './templates.ts';
import { quoted, timeInWords } from './templates/wording.ts';

const at = '2026-11-22T05:48:00Z';
const url = 'https://portcullis.example/x#token_AbC-123';
const from = { name: 'Portcullis', address: 'noreply@portcullis.example' };

const messages: MailMessage[] = (
  [
    { template: 'invitation', data: { organization: 'Acme', inviter: 'Olga Öwner', url, expiresAt: at } },
    { template: 'password_reset', data: { url, expiresAt: at } },
    { template: 'password_reset', data: { url, expiresAt: at, startedBy: 'Ada Admin' } },
    { template: 'password_changed', data: { at } },
    { template: 'password_changed', data: { at, ip: '192.0.2.7' } },
    {
      template: 'new_device',
      data: { device: 'Firefox on Linux', ip: '2001:db8::7', at, organization: 'Acme' },
    },
    { template: 'factor_changed', data: { change: 'added', kind: 'passkey', at } },
    { template: 'factor_changed', data: { change: 'removed', kind: 'totp', at } },
    { template: 'factor_changed', data: { change: 'removed', kind: 'recovery_codes', at } },
    { template: 'lockout', data: { at, ip: '192.0.2.7' } },
    {
      template: 'break_glass',
      data: { organization: 'Acme', rollout: 'Restart', incident: 'INC-1' },
    },
  ] as const
).map((message) => ({ ...message, to: 'anna@x.example' }));

describe('every template', () => {
  it('says what it was agreed to say', async () => {
    const all = messages.map((message) => {
      const { subject, text } = render(message);
      return `== ${message.template}: ${subject}\n${text}`;
    });
    expect(new Set(messages.map(({ template }) => template)).size).toBe(7);
    await expect(all.join('\n')).toMatchFileSnapshot('golden/templates.txt');
  });

  it('fits its subject on one line, holds no markup and leaves no value out', () => {
    for (const message of messages) {
      const { subject, text } = render(message);
      expect(subject).not.toMatch(/[\r\n]/);
      expect(subject.length).toBeLessThan(79);
      expect(`${subject}${text}`).not.toMatch(/undefined|null|NaN|\[object|Invalid|<[a-z]/i);
      expect(text.endsWith('\n')).toBe(true);
    }
  });

  it('brings a link on a line of its own, as it was given', () => {
    const linked = messages.filter(({ data }) => 'url' in data);
    expect(linked.length).toBe(3);
    for (const message of linked) expect(render(message).text.split('\n')).toContain(url);
  });
});

describe('a name that people chose', () => {
  it.each([
    ['Olga Öwner 李', '“Olga Öwner 李”'],
    ['Acme Inc. Ltd.', '“Acme Inc. Ltd.”'],
    ['two\r\nBcc: lines', '“two Bcc: lines”'],
    ['https://evil.example/x', '“https: //evil. example/x”'],
    ['write@evil.example', '“write@ evil. example”'],
    ['\u202Egnp.exe', '“gnp. exe”'],
    [' \u2028 ', '“”'],
    ['x'.repeat(200), `“${'x'.repeat(80)}…”`],
    ['👩‍🚀', '“👩‍🚀”'],
  ])('%j stands as %s', (name, shown) => {
    expect(quoted(name)).toBe(shown);
  });

  it('never makes a line, a header, a link or an address', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (name) => {
        const shown = quoted(name);
        expect(shown).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
        expect(shown).not.toMatch(/:\/|\S[.@]\p{L}/u);
        expect([...shown].length).toBeLessThanOrEqual(83);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a composed mail', () => {
  const job = { id: '01890000-0000-7000-8000-000000000000', at: new Date(at) };

  it('has one Message-ID for one job, says that it answers nobody, and goes to one address', () => {
    const message = messages[0]!;
    const first = compose(message, from, job);
    expect(first).toEqual(compose(message, from, job));
    expect(first.messageId).toBe('<01890000-0000-7000-8000-000000000000@portcullis.example>');
    expect(first.headers).toMatchObject({ 'Auto-Submitted': 'auto-generated' });
    expect(first.to).toEqual({ name: '', address: 'anna@x.example' });
    expect(first).not.toHaveProperty('html');
  });
});

it('a time is told in UTC, to the minute', () => {
  expect(timeInWords('2026-11-22T23:59:59.999+01:00')).toBe('22 November 2026 at 22:59 UTC');
});
