import { ConfigError, type Setting, setting, type Values } from '#kernel';
import { MailConfig, type Sender } from './mail.config.ts';
import { isLoopback, isMailAddress } from './mail-address.ts';

const sender: Setting<Sender | undefined> = {
  variable: 'PORTCULLIS_MAIL_FROM',
  description: 'Whom mail comes from: an address, or Name <address>.',
  read: (text) => {
    if (text === undefined || text === '') return undefined;
    const [, name = '', inBrackets, alone] = /^(?:([^<>]*)<([^<>]*)>|([^<>]*))$/.exec(text.trim()) ?? [];
    const address = inBrackets ?? alone ?? '';
    if (!isMailAddress(address)) throw new Error('must be an address, or Name <address>');
    return { name: name.trim().replace(/^"(.*)"$/, '$1'), address };
  },
};

/** What the mail room reads from the environment. */
export const mailSettings = {
  smtpUrl: setting.url(
    'PORTCULLIS_SMTP_URL',
    'The mail server, with user and password where it asks for them. smtp:// needs STARTTLS unless on loopback.',
    ['smtp:', 'smtps:'],
  ),
  mailFrom: sender,
  smtpAllowPlain: setting.choice(
    'PORTCULLIS_SMTP_ALLOW_PLAIN',
    'Whether mail may go over the network in the clear; never together with a password.',
    ['true', 'false'],
    'false',
  ),
} as const;

/** The mail server, or undefined where none is configured. Throws a ConfigError where the settings do not fit. */
export function mailConfig({
  smtpUrl,
  mailFrom,
  smtpAllowPlain,
}: Values<typeof mailSettings>): MailConfig | undefined {
  const allowPlain = smtpAllowPlain === 'true';
  if (smtpUrl === undefined && mailFrom === undefined) return undefined;
  if (smtpUrl === undefined || mailFrom === undefined) {
    throw new ConfigError(['PORTCULLIS_SMTP_URL and PORTCULLIS_MAIL_FROM go together']);
  }
  const { protocol, hostname, password } = new URL(smtpUrl);
  if (hostname === '') throw new ConfigError(['PORTCULLIS_SMTP_URL must name a host']);
  if (allowPlain && protocol === 'smtp:' && password !== '' && !isLoopback(hostname)) {
    throw new ConfigError([
      'PORTCULLIS_SMTP_ALLOW_PLAIN must not be true while PORTCULLIS_SMTP_URL holds a password: ' +
        'whoever takes STARTTLS out of the connection would read it',
    ]);
  }
  return new MailConfig(smtpUrl, mailFrom, allowPlain);
}
