import { Injectable } from '@nestjs/common';
import { Database } from '#database';
import { Fault, type FaultAudit, type RequestFacts } from '#kernel';
import { AuthFault } from '../auth.faults.ts';
import { spendChallenge } from '../challenges/challenge.store.ts';
import { AttemptLimits, type CountedFactor, type Limits } from '../limits/attempt-limits.ts';
import { Lockouts } from '../limits/lockouts.ts';
import type { FactorMethod } from '../sign-in/sign-in-steps.ts';

/** An answer that might be a guess. */
export interface Guess {
  readonly method: FactorMethod;
  readonly challengeId: string;
  readonly person: { readonly id: string; readonly email: string };
  readonly orgId: string;
  /** The strictest of the person's organizations. */
  readonly limits: Limits;
  /** The known device it comes from. */
  readonly deviceId: string | undefined;
  readonly facts: RequestFacts;
  /** What the record of a refusal says, its reason aside. */
  readonly audit: FaultAudit;
}

/** What has a pool of its own. Signatures of passkeys nobody guesses. */
const counted: Partial<Record<FactorMethod, CountedFactor>> = { totp: 'totp', recovery_code: 'recovery' };

/** Counts codes before they are looked at, in one pool for all challenges of a person and each kind of factor. */
@Injectable()
export class FactorGuesses {
  constructor(
    private readonly database: Database,
    private readonly limits: AttemptLimits,
    private readonly lockouts: Lockouts,
  ) {}

  /**
   * Runs `work`, which looks at the answer. Where the pool is used up it is not looked at, and the challenge ends: a
   * new one needs the password again. Then `auth.too_many_requests`.
   */
  async count<T>(guess: Guess, work: () => Promise<T>): Promise<T> {
    const kind = counted[guess.method];
    if (kind === undefined) return work();
    const { person, orgId, deviceId, limits, facts } = guess;
    const attempt = await this.limits.countFactor(kind, { userId: person.id, deviceId, limits });
    if (!attempt.admitted) {
      await this.database.acrossOrgs('sign_in', (tx) => spendChallenge(tx, guess.challengeId));
      throw this.limits.tooMany(attempt, { ...guess.audit, reason: 'too_many_attempts' });
    }
    try {
      const done = await work();
      await attempt.giveBack();
      return done;
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== AuthFault.factor_refused.code) await attempt.giveBack();
      // Whoever guesses here has the first factor already: that the person is told matters most.
      else await this.lockouts.announce(attempt, { account: person, email: person.email, orgId }, facts);
      throw error;
    }
  }
}
