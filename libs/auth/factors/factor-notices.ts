import { Injectable } from '@nestjs/common';
import type { SystemTx } from '#database';
import { Clock } from '#kernel';
import { Mail } from '#mail';
import type { FactorKind } from '../sign-in/sign-in-steps.ts';

/** Tells people by mail that their factors changed: whoever has taken over an account hides that last (ASVS 6.3.7). */
@Injectable()
export class FactorNotices {
  constructor(
    private readonly mail: Mail,
    private readonly clock: Clock,
  ) {}

  async changed(
    tx: SystemTx,
    to: string | undefined,
    change: 'added' | 'removed',
    kind: FactorKind | 'recovery_codes',
  ): Promise<void> {
    if (to === undefined) return;
    const at = this.clock.now().toISOString();
    await this.mail.send(tx, { template: 'factor_changed', to, data: { change, kind, at } });
  }
}
