import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import { Clock, type RequestFacts } from '#kernel';
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
    await this.mail.send(tx, {
      template: 'new_device',
      to,
      data: { device, organization, ...this.#when(facts) },
    });
  }

  async sendLockout(tx: SystemTx, to: string, facts: RequestFacts): Promise<void> {
    await this.mail.send(tx, { template: 'lockout', to, data: this.#when(facts) });
  }

  /** Whoever has taken over an account would rather not have this known (ASVS 6.3.7). */
  async sendFactorChanged(
    tx: SystemTx,
    to: string,
    change: 'added' | 'removed',
    kind: 'totp' | 'passkey' | 'recovery_codes',
  ): Promise<void> {
    const at = this.clock.now().toISOString();
    await this.mail.send(tx, { template: 'factor_changed', to, data: { change, kind, at } });
  }

  #when({ ip }: RequestFacts): { at: string; ip: string } {
    return { at: this.clock.now().toISOString(), ip: ip || 'unknown' };
  }
}
