import { Injectable } from '@nestjs/common';
import { Jobs } from '#jobs';
import type { OrgTx, SystemTx } from '#database';
import { Clock } from '#kernel';
import { isMailAddress } from './mail-address.ts';
import { MailConfig } from './mail.config.ts';
import { mailQueue } from './mail-queue.ts';
import type { MailMessage } from './templates.ts';

/** Mail to people. It leaves after the transaction that speaks of it has committed, from a process that works. */
@Injectable()
export class Mail {
  constructor(
    private readonly jobs: Jobs,
    private readonly clock: Clock,
    private readonly config: MailConfig | undefined,
  ) {}

  /** False where no mail server is configured: what mail would carry must then be shown otherwise, or not at all. */
  get isConfigured(): boolean {
    return this.config !== undefined;
  }

  /**
   * Sends a message when `tx` commits. Answers false, and does nothing, where no mail server is configured or mail
   * cannot reach the address: nobody is kept from anything by that. Fault: `jobs.unavailable`.
   */
  async send(tx: OrgTx | SystemTx, message: MailMessage): Promise<boolean> {
    if (!this.isConfigured || !isMailAddress(message.to)) return false;
    await this.jobs.enqueue(tx, mailQueue, { ...message, at: this.clock.now().toISOString() });
    return true;
  }
}
