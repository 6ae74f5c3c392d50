import type { SMTPTransportOptions } from 'nodemailer';
import { isLoopback } from './mail-address.ts';
import type { MailConfig } from './mail.config.ts';

/**
 * What nodemailer is told. Off loopback the connection is encrypted to a server whose certificate is checked, or no
 * mail leaves; allowPlain lets it begin in the clear where the server offers nothing else.
 */
export function smtpOptions({ smtpUrl, allowPlain }: MailConfig): SMTPTransportOptions {
  const { protocol, hostname, port, username, password } = new URL(smtpUrl);
  const secure = protocol === 'smtps:';
  const local = isLoopback(hostname);
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (secure ? 465 : 587) : Number(port),
    secure,
    requireTLS: !secure && !local && !allowPlain,
    // Nobody stands between, and a certificate for localhost that anybody trusts is rare.
    ignoreTLS: !secure && local,
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2' },
    ...(username !== '' && {
      auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
    }),
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 15_000,
    disableFileAccess: true,
    disableUrlAccess: true,
    logger: false,
  };
}
