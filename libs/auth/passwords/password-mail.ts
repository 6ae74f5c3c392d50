import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import { Clock, type RequestFacts } from '#kernel';
import { Mail } from '#mail';

/** A link by which a person sets a new password. Shown once. */
export interface ResetLink {
  readonly url: string;
  readonly expiresAt: string;
}

/** What people are mailed about their passwords. */
@Injectable()
export class PasswordMail {
  constructor(
    private readonly mail: Mail,
    private readonly clock: Clock,
  ) {}

  get isConfigured(): boolean {
    return this.mail.isConfigured;
  }

  /** `startedBy` is the name of the admin, where one started it. Answers whether the link goes out. */
  async sendLink(tx: SystemTx, to: string, link: ResetLink, startedBy?: string): Promise<boolean> {
    const data = { ...link, ...(startedBy !== undefined && { startedBy }) };
    return this.mail.send(tx, { template: 'password_reset', to, data });
  }

  /** Tells that the password was changed: if it was not they, this is how they find out. */
  async sendChanged(tx: SystemTx, to: string, { ip }: RequestFacts): Promise<void> {
    const data = { at: this.clock.now().toISOString(), ...(ip !== undefined && { ip }) };
    await this.mail.send(tx, { template: 'password_changed', to, data });
  }
}
