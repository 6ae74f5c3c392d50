import { Injectable } from '@nestjs/common';
import type { StepUp } from '#access';
import { Clock } from '#kernel';
import { AuthFault } from './auth.faults.ts';
import type { AuthorityCaller } from './authority.ts';

/** Asks for a fresh proof where a route wants one, or for the proof that the organization's policy wants. */
@Injectable()
export class StepUps {
  constructor(private readonly clock: Clock) {}

  /** Throws `auth.step_up_required` with a challenge unless the proof is good and fresh enough. */
  async require(caller: AuthorityCaller, fresh: StepUp | undefined): Promise<void> {
    const { session, assured } = caller.authority;
    // A key has nobody behind it who could answer.
    if (session === undefined) throw AuthFault.sessions_only();
    const provenAt = session.factorAt ?? session.passwordAt;
    const age = provenAt === undefined ? Infinity : this.clock.now().getTime() - Date.parse(provenAt);
    if (assured && (fresh === undefined || age <= fresh.within * 1_000)) return;
    throw AuthFault.step_up_required();
  }
}
