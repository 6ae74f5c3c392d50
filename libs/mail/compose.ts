import type { Sender } from './mail.config.ts';
import { type MailMessage, render } from './templates.ts';

/** One message as nodemailer takes it. */
export interface ComposedMail {
  readonly from: Sender;
  readonly to: Sender;
  readonly subject: string;
  readonly text: string;
  readonly date: Date;
  readonly messageId: string;
  readonly headers: Record<string, string>;
  readonly xMailer: false;
}

/**
 * The message with its headers. The Message-ID is that of the job, so that the copies of a mail that was sent twice
 * are known as one.
 */
export function compose(
  message: MailMessage,
  from: Sender,
  { id, at }: { readonly id: string; readonly at: Date },
): ComposedMail {
  const { subject, text } = render(message);
  return {
    from,
    to: { name: '', address: message.to },
    subject,
    text,
    date: at,
    messageId: `<${id}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
    // RFC 3834: no vacation notes in answer.
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    xMailer: false,
  };
}
