import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import { Clock, Fault, type RequestFacts } from '#kernel';
import { Mail } from '#mail';
import { deviceLabel } from './sessions/device-label.ts';

/** What people are mailed about sign-ins to their account, and what those are made by. */
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

  /** Whoever has taken over an account would rather not have this known (ASVS 6.3.7). */
  async sendFactorChanged(
    tx: SystemTx,
    to: string,
    change: 'added' | 'removed',
    kind: 'totp' | 'passkey' | 'recovery_codes',
  ): Promise<void> {
    const at = this.clock.now().toISOString();
    await this.#send(tx, { template: 'factor_changed', to, data: { change, kind, at } });
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
