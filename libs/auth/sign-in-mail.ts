import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import { Clock, Fault, type RequestFacts } from '#kernel';
import { Mail } from '#mail';
import { deviceLabel } from './sessions/device-label.ts';

/** What people are mailed about sign-ins to their account. */
@Injectable()
export class SignInMail {
  constructor(
    private readonly mail: Mail,
    private readonly clock: Clock,
  ) {}

  async sendNewDevice(tx: SystemTx, to: string, organization: string, facts: RequestFacts): Promise<void> {
    const device = deviceLabel(facts.userAgent) ?? 'unknown';
    await this.#send(tx, {
      template: 'new_device',
      to,
      data: { device, organization, ...this.#when(facts) },
    });
  }

  async sendLockout(tx: SystemTx, to: string, facts: RequestFacts): Promise<void> {
    await this.#send(tx, { template: 'lockout', to, data: this.#when(facts) });
  }

  #when({ ip }: RequestFacts): { at: string; ip: string } {
    return { at: this.clock.now().toISOString(), ip: ip || 'unknown' };
  }

  /** Nobody is kept from signing in by an address that mail cannot reach. */
  async #send(tx: SystemTx, message: Parameters<Mail['send']>[1]): Promise<void> {
    try {
      await this.mail.send(tx, message);
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'mail.bad_address')) throw error;
    }
  }
}
