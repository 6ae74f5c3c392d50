import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import type { RequestFacts } from '#kernel';

/**
 * SEAM for the jobs and mail rooms: how a wish for a link is looked up later, and how the link reaches the person.
 * Without a mail server there is nothing to do with either.
 */
@Injectable()
export class ResetMail {
  /** True where mail can be sent. */
  get isReady(): boolean {
    return false;
  }

  /** Has `PasswordResets.start` called in a job of its own: whether the account exists must not show in the answer. */
  async startLater(_email: string, _facts: RequestFacts): Promise<void> {}

  /** Mails the link when the transaction commits. */
  async send(
    _tx: SystemTx,
    _to: string,
    _data: { name: string; url: string; expiresAt: string },
  ): Promise<void> {}
}
