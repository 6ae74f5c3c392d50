import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import { Clock, Fault, type RequestFacts } from '#kernel';
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
    const data = { at, ...(ip !== undefined && { ip }) };
    try {
      await this.mail.send(tx, { template: 'password_changed', to: email, data });
    } catch (error) {
      // Nobody is kept from a new password by an address that mail cannot reach.
      if (!(error instanceof Fault && error.code === 'mail.bad_address')) throw error;
    }
  }
}
