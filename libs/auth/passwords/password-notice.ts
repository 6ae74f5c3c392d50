import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import { Clock, type RequestFacts } from '#kernel';
import { Mail } from '#mail';

/** Tells a person that their password was changed: if it was not they, this is how they find out. */
@Injectable()
export class PasswordNotice {
  constructor(
    private readonly mail: Mail,
    private readonly clock: Clock,
  ) {}

  async send(tx: SystemTx, { email }: { email: string }, { ip }: RequestFacts): Promise<void> {
    const at = this.clock.now().toISOString();
    await this.mail.send(tx, {
      template: 'password_changed',
      to: email,
      data: { at, ...(ip !== undefined && { ip }) },
    });
  }
}
