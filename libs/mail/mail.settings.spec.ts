import { describe, expect, it } from 'vitest';
import { isMailAddress } from './mail-address.ts';
import { MailConfig } from './mail.config.ts';
import { mailQueue } from './mail-queue.ts';
import { mailConfig, mailSettings } from './mail.settings.ts';
import { smtpOptions } from './smtp-options.ts';

const from = { name: 'Portcullis', address: 'noreply@x.example' };
const config = (
  smtpUrl: string | undefined,
  allow: 'true' | 'false' = 'false',
  mailFrom: typeof from | undefined = from,
) => mailConfig({ smtpUrl, mailFrom, smtpAllowPlain: allow });
const optionsOf = (url: string, allow?: 'true' | 'false') => smtpOptions(config(url, allow)!);

describe('the settings of mail', () => {
  it('are none, or a server and a sender', () => {
    expect(mailConfig({ smtpUrl: undefined, mailFrom: undefined, smtpAllowPlain: 'false' })).toBeUndefined();
    expect(config('smtp://mail.example')).toBeInstanceOf(MailConfig);
    const alone = { smtpUrl: 'smtp://mail.example', mailFrom: undefined, smtpAllowPlain: 'false' } as const;
    expect(() => mailConfig(alone)).toThrow(/go together/);
    expect(() => config(undefined)).toThrow(/go together/);
  });

  it.each([
    ['noreply@x.example', { name: '', address: 'noreply@x.example' }],
    ['Portcullis <noreply@x.example>', { name: 'Portcullis', address: 'noreply@x.example' }],
    ['"Portcullis, Acme" <noreply@x.example>', { name: 'Portcullis, Acme', address: 'noreply@x.example' }],
  ])('take %j as a sender', (text, expected) => {
    expect(mailSettings.mailFrom.read(text)).toEqual(expected);
  });

  it.each([
    'x',
    'a@x.example, b@x.example',
    '<a@x.example> b',
    'A <a@x.example',
    'a@x.example\r\nBcc: b@x.example',
  ])('refuse %j as a sender', (text) => {
    expect(() => mailSettings.mailFrom.read(text)).toThrow(/must be an address/);
  });

  it('never let a password go where TLS can be taken out, and do not show it', () => {
    let message = '';
    try {
      config('smtp://user:hunter2@mail.example', 'true');
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain('PORTCULLIS_SMTP_ALLOW_PLAIN');
    expect(message).not.toContain('hunter2');
    expect(config('smtps://user:hunter2@mail.example', 'true')).toBeDefined();
    expect(config('smtp://user:hunter2@127.0.0.1', 'true')).toBeDefined();
  });
});

describe('the connection', () => {
  it('is encrypted to a checked server, whatever the way, but on loopback', () => {
    expect(optionsOf('smtp://mail.example')).toMatchObject({ secure: false, requireTLS: true, port: 587 });
    expect(optionsOf('smtps://mail.example')).toMatchObject({ secure: true, port: 465 });
    expect(optionsOf('smtp://127.0.0.1:2525')).toMatchObject({
      requireTLS: false,
      ignoreTLS: true,
      port: 2525,
    });
    expect(optionsOf('smtp://[::1]:25')).toMatchObject({ requireTLS: false, host: '::1' });
    // Not on the list, so it counts as the network.
    expect(optionsOf('smtp://127.0.0.2:25')).toMatchObject({ requireTLS: true, ignoreTLS: false });
    expect(optionsOf('smtp://localhost.example:25')).toMatchObject({ requireTLS: true });
    for (const url of ['smtp://mail.example', 'smtps://mail.example', 'smtp://127.0.0.1']) {
      expect(optionsOf(url).tls).toMatchObject({ rejectUnauthorized: true });
    }
  });

  it('may begin in the clear where that is allowed, and still takes TLS where it is offered', () => {
    expect(optionsOf('smtp://mail.example', 'true')).toMatchObject({ requireTLS: false, ignoreTLS: false });
  });

  it('signs in with what the URL holds, decoded', () => {
    expect(optionsOf('smtps://a%40x:p%2Fw@mail.example').auth).toEqual({ user: 'a@x', pass: 'p/w' });
    expect(optionsOf('smtps://mail.example').auth).toBeUndefined();
  });
});

it.each([
  ['anna@x.example', true],
  ['änna@ü.example', true],
  ["o'neil+tag@x.example", true],
  ['', false],
  ['anna', false],
  ['a@b@c', false],
  ['a b@x.example', false],
  ['a@x.example\n', false],
  ['a@x.example,b@x.example', false],
  ['Anna <a@x.example>', false],
  [`${'a'.repeat(320)}@x.example`, false],
])('%j is one address: %s', (text, expected) => {
  expect(isMailAddress(text)).toBe(expected);
});

it('a server that is down is tried for a day and not for two', () => {
  const { retries, firstDelay, longestDelay } = mailQueue.settings;
  // pg-boss: firstDelay * 2^n, of which a random part of the second half is left out.
  const wait = (part: number) =>
    Array.from({ length: retries }, (_, n) => Math.min(longestDelay, firstDelay * 2 ** n * part)).reduce(
      (sum, one) => sum + one,
    ) / 3_600;
  expect(wait(1)).toBeGreaterThan(24);
  expect(wait(2)).toBeLessThan(48);
});
