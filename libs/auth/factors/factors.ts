import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type SystemTx } from '#database';
import { type Caller, Clock } from '#kernel';
import { type Proof, together, withFactor } from '../assurance.ts';
import { AuthFault } from '../auth.faults.ts';
import {
  attemptChallenge,
  CHALLENGE_SECONDS,
  openChallenge,
  spendChallenge,
} from '../challenges/challenge.store.ts';
import { readPoliciesOf } from '../policy/policy.store.ts';
import { lockSessionsOf } from '../sessions/session.store.ts';
import { Sessions } from '../sessions/sessions.ts';
import { SignInMail } from '../sign-in-mail.ts';
import { type EnrollMethod, hasGoodFactor } from '../sign-in/sign-in-steps.ts';
import {
  ownBase,
  ownChallenge,
  ownRefuser,
  type OwnSession,
  ownSessionOf,
  provenView,
} from '../step-up/own-session.ts';
import { lockProof, storeProof } from '../step-up/session-proof.store.ts';
import { StepUps } from '../step-up/step-up.ts';
import { findAccount } from '../account.store.ts';
import { Enrolments } from './enrolments.ts';
import {
  countRecoveryCodes,
  deleteFactor,
  type FactorRow,
  lockPerson,
  readFactors,
  replaceRecoveryCodes,
} from './factor.store.ts';
import { passkeyMethods } from './factor-proofs.ts';
import { factorView } from './factor-view.ts';
import type {
  AddedFactorView,
  ConfirmPasskeyRequest,
  ConfirmTotpRequest,
  EnrolmentView,
  FactorsView,
  FactorView,
  RecoveryCodesView,
} from './factors.contract.ts';
import { Passkeys } from './passkeys.ts';

/** A person's own factors. They serve in every organization, so what ends with one ends in all of them. */
@Injectable()
export class Factors {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly enrolments: Enrolments,
    private readonly passkeys: Passkeys,
    private readonly stepUps: StepUps,
    private readonly sessions: Sessions,
    private readonly mail: SignInMail,
    private readonly clock: Clock,
  ) {}

  async own(caller: Caller): Promise<FactorsView> {
    const own = ownSessionOf(caller);
    return this.#inOwn(own, async (tx) => ({
      items: (await readFactors(tx, own.userId)).map(factorView),
      recoveryCodesLeft: await countRecoveryCodes(tx, own.userId),
      passkeysAvailable: this.passkeys.work,
    }));
  }

  /** Offers a new factor; it is the person's only once `confirm` has seen it work. */
  async begin(caller: Caller, method: EnrollMethod): Promise<EnrolmentView> {
    const own = ownSessionOf(caller);
    await this.stepUps.requireStrongest(caller);
    return this.#inOwn(own, async (tx) => {
      const { email, userName: name } = own.caller.authority;
      const { data, shown } = await this.enrolments.begin(tx, { id: own.userId, email, name }, method);
      const challengeId = await openChallenge(tx, {
        kind: 'add_factor',
        userId: own.userId,
        orgId: caller.org.id,
        sessionId: own.session.id,
        data,
      });
      return { challengeId, expiresIn: CHALLENGE_SECONDS, ...shown };
    });
  }

  /** Takes the new factor, which proves the session that asks, too. */
  async confirm(
    caller: Caller,
    method: EnrollMethod,
    request: ConfirmTotpRequest | ConfirmPasskeyRequest,
  ): Promise<AddedFactorView> {
    const own = ownSessionOf(caller);
    await this.stepUps.requireStrongest(caller);
    const challenge = await this.#inOwn(own, async (tx) =>
      ownChallenge(own, await attemptChallenge(tx, request.challengeId, ['add_factor'])),
    );
    const factor = await this.enrolments.check(challenge.data, { ...request, method }, ownRefuser(own));
    const endOthers = request.endOtherSessions === true;
    return this.#inOwn(own, async (tx) => {
      if (endOthers) await lockSessionsOf(tx, own.userId, 'end_all');
      await lockPerson(tx, own.userId);
      if (!(await spendChallenge(tx, challenge.id))) throw AuthFault.invalid_challenge();
      const added = await this.enrolments.add(tx, own.userId, factor, request.name, ownBase(own));
      const proof = withFactor(await lockProof(tx, own.session.id), added, this.clock.now());
      await storeProof(tx, own.session.id, proof);
      const revoked = endOthers ? await this.#endOthers(tx, own, 'factor_added') : 0;
      const stored = (await readFactors(tx, own.userId)).find(({ id }) => id === added.id);
      if (!stored) throw new Error('the factor that was stored is not there');
      return {
        factor: factorView(stored),
        ...(added.recoveryCodes && { recoveryCodes: added.recoveryCodes }),
        session: provenView(own, proof, this.clock.now()),
        revoked,
      };
    });
  }

  async renewCodes(caller: Caller): Promise<RecoveryCodesView> {
    const own = ownSessionOf(caller);
    await this.stepUps.requireStrongest(caller);
    return this.#inOwn(own, async (tx) => {
      await lockPerson(tx, own.userId);
      if ((await readFactors(tx, own.userId)).length === 0) throw AuthFault.factor_not_found();
      return { recoveryCodes: await this.enrolments.renewCodes(tx, own.userId, ownBase(own)) };
    });
  }

  /**
   * Removes a factor. The sessions that stand on it end in every organization, by default all others too; the one
   * that asks goes on with what it was proven by besides. Answers how many ended.
   */
  async remove(caller: Caller, id: string, endOtherSessions: boolean): Promise<number> {
    const own = ownSessionOf(caller);
    await this.stepUps.requireStrongest(caller);
    return this.#inOwn(own, async (tx) => {
      if (endOtherSessions) await lockSessionsOf(tx, own.userId, 'end_all');
      await lockPerson(tx, own.userId);
      const left = (await readFactors(tx, own.userId)).filter((one) => one.id !== id);
      const factors = new Set(left.map(({ kind }) => kind));
      const policies = await readPoliciesOf(tx, own.userId);
      await this.#take(tx, own.caller, own.userId, id, left.length === 0);
      if (!policies.every(({ mfa }) => hasGoodFactor({ mfa, factors }))) throw AuthFault.factor_required();
      const before = await lockProof(tx, own.session.id);
      await storeProof(tx, own.session.id, proofWithout(before, left));
      const standing = await this.sessions.end(
        tx,
        caller,
        { factorId: id, except: own.session.id },
        'factor_removed',
      );
      return standing + (endOtherSessions ? await this.#endOthers(tx, own, 'factor_removed') : 0);
    });
  }

  /** A person's factors, for whoever may see them. */
  async of(tx: SystemTx, userId: string): Promise<FactorView[]> {
    return (await readFactors(tx, userId)).map(factorView);
  }

  /** Removes a factor that its owner has lost, whatever a policy asks for: a new one is enrolled at the next sign-in. */
  async reset(tx: SystemTx, caller: Caller, userId: string, id: string): Promise<void> {
    await lockSessionsOf(tx, userId, 'end_all');
    await lockPerson(tx, userId);
    const left = (await readFactors(tx, userId)).filter((one) => one.id !== id);
    await this.#take(tx, caller, userId, id, left.length === 0);
    await this.sessions.end(tx, caller, { userId }, 'factor_removed');
  }

  /** Takes a factor from a person, with the record of it; with the last one go the recovery codes. */
  async #take(tx: SystemTx, caller: Caller, userId: string, id: string, isLast: boolean): Promise<void> {
    const display = (await findAccount(tx, { id: userId }))?.email;
    const kind = await deleteFactor(tx, userId, id);
    if (kind === undefined) throw AuthFault.factor_not_found();
    await this.audit.append(tx, caller, {
      action: 'auth.factor_removed',
      target: { type: 'user', id: userId, display },
      changes: { factor: { from: id }, kind: { from: kind } },
    });
    if (display !== undefined) await this.mail.sendFactorChanged(tx, display, 'removed', kind);
    if (isLast) await replaceRecoveryCodes(tx, userId, []);
  }

  #endOthers(tx: SystemTx, { caller, userId, session }: OwnSession, reason: string): Promise<number> {
    return this.sessions.end(tx, caller, { userId, except: session.id }, reason);
  }

  #inOwn<T>({ caller }: OwnSession, work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.database.acrossOrgsFor('own_factors', caller, work);
  }
}

/**
 * What a session stands on once only these factors are left: its password, if it was proven by one, and the factor it was last
 * proven by, if that is another.
 */
function proofWithout(proof: Proof, left: readonly FactorRow[]): Proof {
  const password = proof.authMethods.filter((method) => method === 'pwd');
  const standing = left.find(({ id }) => id === proof.factorId);
  if (standing) return { ...proof, authMethods: together(password, methodsOf(standing)) };
  // Proven by a recovery code: that was none of this factor, as long as there is one that it stood in for.
  if (proof.factorId === undefined && proof.factorAt !== undefined && left.length > 0) return proof;
  return { authMethods: together(password), passwordAt: proof.passwordAt };
}

function methodsOf(row: FactorRow) {
  return row.kind === 'totp' ? (['otp'] as const) : passkeyMethods(row.device_bound);
}
