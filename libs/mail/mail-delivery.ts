import type { Transporter } from 'nodemailer';
import { Unattended } from '#access';
import { HandlesJob, JobFailure, type JobFacts } from '#jobs';
import { compose } from './compose.ts';
import type { MailConfig } from './mail.config.ts';
import { mailQueue } from './mail-queue.ts';
import { smtpOptions } from './smtp-options.ts';
import type { MailMessage } from './templates.ts';

/** Renders mail and hands it to the mail server. */
export class MailDelivery {
  #transport: Promise<Transporter> | undefined;

  constructor(private readonly config: MailConfig | undefined) {}

  @HandlesJob(mailQueue)
  @Unattended(
    'what it sends, and to whom, was decided by a use case whose caller was let in; it changes nothing',
  )
  async deliver({ at, ...message }: MailMessage & { readonly at: string }, { id }: JobFacts): Promise<void> {
    if (!this.config) throw new JobFailure('not_configured');
    const mail = compose(message, this.config.from, { id, at: new Date(at) });
    try {
      await (await (this.#transport ??= open(this.config))).sendMail(mail);
    } catch (error) {
      throw smtpFailure(error);
    }
  }
}

/** nodemailer takes as much memory as a small room, so it is loaded for the first mail. */
async function open(config: MailConfig): Promise<Transporter> {
  const { createTransport } = await import('nodemailer');
  return createTransport(smtpOptions(config));
}

/**
 * The codes of an SMTP error; its words may quote the recipient. It is final where the server refuses this recipient
 * for good (5xx, RFC 5321 section 4.2.1); any other refusal may be a mistake that an operator mends within the day.
 */
function smtpFailure(error: unknown): JobFailure {
  const { code, command, responseCode } = error as {
    code?: string;
    command?: string;
    responseCode?: number;
  };
  const said = [code ?? 'unknown', responseCode].filter((part) => part !== undefined).join('_');
  return new JobFailure(`smtp.${said}`, command === 'RCPT TO' && (responseCode ?? 0) >= 500);
}
