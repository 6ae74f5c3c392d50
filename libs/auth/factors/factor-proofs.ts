import { Injectable } from '@nestjs/common';
import { Audit, type AuditEntry } from '#audit';
import type { SystemTx } from '#database';
import { Clock, type Fault } from '#kernel';
import { MasterKey } from '#secrets';
import type { AuthMethod } from '../assurance.ts';
import type { ChallengeData } from '../challenges/challenge.store.ts';
import type { FactorMethod } from '../sign-in/sign-in-steps.ts';
import {
  type FactorRow,
  type PasskeyRow,
  type TotpRow,
  useAssertion,
  useRecoveryCode,
  useTotpStep,
} from './factor.store.ts';
import { Passkeys } from './passkeys.ts';
import { RecoveryCodes } from './recovery-codes.ts';
import { totpStep } from './totp.ts';

/** What a person answers to a challenge. */
export interface FactorAnswer {
  readonly method: FactorMethod;
  /** For `totp` and `recovery_code`. */
  readonly code?: string | undefined;
  /** For `passkey`: AuthenticationResponseJSON. */
  readonly assertion?: object | undefined;
}

/** Who and what the record of a proof speaks of. */
export type RecordBase = Omit<AuditEntry, 'action' | 'changes' | 'outcome'>;

/** Makes the refusal for a reason, which only the record tells. */
export type Refuse = (reason: string) => Fault;

/** A right answer. It counts only once it was used, which can be done once. */
export interface Proven {
  readonly methods: readonly AuthMethod[];
  /** Undefined for recovery codes. */
  readonly factorId: string | undefined;
  /** Uses the answer up and records it, in the transaction of what it is good for. Throws where it was used. */
  use(tx: SystemTx, base: RecordBase): Promise<void>;
}

/** Looks at answers to challenges: codes, assertions, recovery codes. */
@Injectable()
export class FactorProofs {
  constructor(
    private readonly audit: Audit,
    private readonly passkeys: Passkeys,
    private readonly codes: RecoveryCodes,
    private readonly masterKey: MasterKey,
    private readonly clock: Clock,
  ) {}

  /** Throws `refuse(reason)` unless the answer is right for one of the person's factors. */
  async check(
    userId: string,
    factors: readonly FactorRow[],
    data: ChallengeData,
    answer: FactorAnswer,
    refuse: Refuse,
  ): Promise<Proven> {
    switch (answer.method) {
      case 'totp':
        return this.#totp(factors, answer.code ?? '', refuse);
      case 'passkey':
        return this.#passkey(factors, data.webauthn, answer.assertion ?? {}, refuse);
      case 'recovery_code':
        return this.#recoveryCode(userId, answer.code ?? '', refuse);
    }
  }

  #totp(factors: readonly FactorRow[], code: string, refuse: Refuse): Proven {
    const now = this.clock.now();
    for (const factor of factors.filter((one): one is TotpRow => one.kind === 'totp')) {
      const step = totpStep(this.masterKey.unwrap(factor.wrapped_secret, totpContext(factor.id)), code, now);
      if (step === undefined) continue;
      return this.#proven(factor, ['otp'], async (tx) => {
        if (!(await useTotpStep(tx, factor.id, step))) throw refuse('code_used_before');
      });
    }
    throw refuse('wrong_code');
  }

  async #passkey(
    factors: readonly FactorRow[],
    challenge: string | undefined,
    answer: object,
    refuse: Refuse,
  ): Promise<Proven> {
    const credentialId = (answer as { id?: unknown }).id;
    const factor = factors.find(
      (one): one is PasskeyRow => one.kind === 'passkey' && one.credential_id === credentialId,
    );
    if (!factor) throw refuse('unknown_passkey');
    const { credential_id: id, public_key: publicKey, user_id: userId } = factor;
    const assertion =
      challenge === undefined
        ? undefined
        : await this.passkeys.assertion(answer, challenge, { id, publicKey, userId });
    if (!assertion) throw refuse('wrong_assertion');
    return this.#proven(factor, passkeyMethods(factor.device_bound), async (tx) => {
      if (!(await useAssertion(tx, factor.id, assertion))) throw refuse('cloned_authenticator');
    });
  }

  #recoveryCode(userId: string, code: string, refuse: Refuse): Proven {
    return {
      methods: ['otp'],
      factorId: undefined,
      use: async (tx, base) => {
        await this.audit.record(tx, { ...base, outcome: 'success', action: 'auth.recovery_code_used' });
        // Which of the two it is the record need not tell: there is no code that could be told from none.
        if (!(await useRecoveryCode(tx, userId, this.codes.digest(userId, code)))) throw refuse('wrong_code');
      },
    };
  }

  #proven(factor: FactorRow, methods: readonly AuthMethod[], use: (tx: SystemTx) => Promise<void>): Proven {
    return {
      methods,
      factorId: factor.id,
      use: async (tx, base) => {
        await this.audit.record(tx, {
          ...base,
          outcome: 'success',
          action: 'auth.factor_proven',
          changes: { factor: { to: factor.id }, kind: { to: factor.kind } },
        });
        await use(tx);
      },
    };
  }
}

/** A passkey with user verification, as every one here is. */
export function passkeyMethods(deviceBound: boolean): AuthMethod[] {
  return [deviceBound ? 'hwk' : 'swk', 'user'];
}

/** Where a wrapped TOTP secret opens, and nowhere else. */
export function totpContext(factorId: string): string {
  return `totp:${factorId}`;
}
