import { Injectable } from '@nestjs/common';
import type { AskedProof } from '#access';
import { Audit } from '#audit';
import { Database, type SystemTx } from '#database';
import { type Caller, Clock, type Fault } from '#kernel';
import { type Account, findAccount } from '../account.store.ts';
import { isPhishingResistant, type Proof, withFactor, withPassword } from '../assurance.ts';
import { AuthFault } from '../auth.faults.ts';
import type { AuthorityCaller } from '../authority.ts';
import {
  attemptChallenge,
  type Challenge,
  CHALLENGE_SECONDS,
  openChallenge,
  spendChallenge,
} from '../challenges/challenge.store.ts';
import { lockPerson, readFactors, readPersonFacts } from '../factors/factor.store.ts';
import { FactorGuesses } from '../factors/factor-guesses.ts';
import { FactorProofs, type Proven } from '../factors/factor-proofs.ts';
import { credentialsOf } from '../factors/factor-view.ts';
import type { StepUpRequest, StepUpView } from '../factors/factors.contract.ts';
import { Passkeys } from '../factors/passkeys.ts';
import { AttemptLimits } from '../limits/attempt-limits.ts';
import { Lockouts } from '../limits/lockouts.ts';
import { Passwords } from '../passwords/passwords.ts';
import { strictest } from '../policy/org-policy.ts';
import { readPoliciesOf } from '../policy/policy.store.ts';
import { type PersonFacts, stepUpMethods } from '../sign-in/sign-in-steps.ts';
import {
  ownBase,
  ownChallenge,
  ownRefusal,
  ownRefuser,
  type OwnSession,
  ownSessionOf,
  provenView,
} from './own-session.ts';
import { lockProof, storeProof } from './session-proof.store.ts';

/** How fresh a proof has to be for the enrolment that a policy asks for, in seconds. */
const FRESH_SECONDS = 300;

/** Fresh proofs within a session: asking for them, and taking them. */
@Injectable()
export class StepUps {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly proofs: FactorProofs,
    private readonly passkeys: Passkeys,
    private readonly passwords: Passwords,
    private readonly guesses: FactorGuesses,
    private readonly limits: AttemptLimits,
    private readonly lockouts: Lockouts,
    private readonly clock: Clock,
  ) {}

  /** Throws `auth.step_up_required` with a challenge unless the proof is good and fresh enough. */
  async require(caller: AuthorityCaller, { policy, fresh }: AskedProof): Promise<void> {
    const { session, assured, hasFactor } = caller.authority;
    // A key has nobody behind it who could answer.
    if (session === undefined) throw AuthFault.sessions_only();
    // Who has a factor proves that: a password may be known to others.
    const provenAt = hasFactor ? session.factorAt : session.passwordAt;
    const age = provenAt === undefined ? Infinity : this.clock.now().getTime() - Date.parse(provenAt);
    if ((assured || !policy) && (fresh === undefined || age <= fresh.within * 1_000)) return;
    const isFresh = age <= (fresh?.within ?? FRESH_SECONDS) * 1_000;
    const own = ownSessionOf(caller);
    throw await this.#inOwn(own, async (tx) => this.#challenge(tx, own, await this.#facts(tx, own), isFresh));
  }

  /**
   * For changes of a person's factors, which serve in every organization: where one of those takes passkeys only,
   * and the person has one, a session that was proven by less changes nothing.
   */
  async requireStrongest(caller: Caller): Promise<void> {
    const own = ownSessionOf(caller);
    if (!this.passkeys.work || isPhishingResistant(own.session.authMethods)) return;
    const refused = await this.#inOwn(own, async (tx) => {
      const person = await this.#facts(tx, own);
      const policies = await readPoliciesOf(tx, own.userId);
      const isStrict = policies.some(({ mfa }) => mfa === 'phishing-resistant');
      if (!isStrict || !person.factors.has('passkey')) return undefined;
      return this.#challenge(tx, own, { ...person, mfa: 'phishing-resistant' }, false);
    });
    if (refused) throw refused;
  }

  /** Takes the answer to a challenge. The session, and every token of it, goes on with what was proven. */
  async answer(caller: Caller, request: StepUpRequest): Promise<StepUpView> {
    const own = ownSessionOf(caller);
    const { challenge, person, limits, ...rest } = await this.#inOwn(own, async (tx) => ({
      challenge: ownChallenge(own, await attemptChallenge(tx, request.challengeId, ['step_up'])),
      person: await this.#facts(tx, own),
      account: await findAccount(tx, { id: own.userId }),
      factors: await readFactors(tx, own.userId),
      limits: strictest(await readPoliciesOf(tx, own.userId)).limits,
    }));
    requireOffered(person, request.method);
    const { method } = request;
    if (method === 'password') {
      await this.#requirePassword(own, rest.account, request.password ?? '');
      return this.#raise(own, challenge, method, undefined);
    }
    const refuse = ownRefuser(own);
    const guess = {
      method,
      challengeId: challenge.id,
      person: { id: own.userId, email: own.caller.authority.email },
      orgId: caller.org.id,
      limits,
      deviceId: own.session.deviceId,
      facts: caller.request,
      audit: ownRefusal(own, 'too_many_attempts'),
    };
    return this.guesses.count(guess, async () => {
      const answer = { ...request, method };
      const proven = await this.proofs.check(own.userId, rest.factors, challenge.data, answer, refuse);
      return this.#raise(own, challenge, method, proven);
    });
  }

  async #raise(
    own: OwnSession,
    challenge: Challenge,
    method: StepUpRequest['method'],
    proven: Proven | undefined,
  ): Promise<StepUpView> {
    const proof = await this.#inOwn(own, async (tx) => {
      await lockPerson(tx, own.userId);
      // Had the person got a factor meanwhile, the password would no longer do.
      requireOffered(await this.#facts(tx, own), method);
      if (!(await spendChallenge(tx, challenge.id))) throw AuthFault.invalid_challenge();
      await proven?.use(tx, ownBase(own));
      const raised = this.#raised(await lockProof(tx, own.session.id), proven);
      await this.audit.record(tx, {
        ...ownBase(own),
        outcome: 'success',
        action: 'auth.stepped_up',
        changes: { session: { to: own.session.id }, method: { to: method } },
      });
      await storeProof(tx, own.session.id, raised);
      return raised;
    });
    return { session: provenView(own, proof, this.clock.now()) };
  }

  /** Counted before it is verified, with the guesses at sign-in: a stolen session guesses no more often than anybody. */
  async #requirePassword(own: OwnSession, account: Account | undefined, password: string): Promise<void> {
    const { caller, userId } = own;
    const { email } = caller.authority;
    const attempt = await this.limits.countOwnPassword({ userId, email, ip: caller.request.ip });
    if (!attempt.admitted) throw this.limits.tooMany(attempt, ownRefusal(own, 'too_many_attempts'));
    const right = await attempt.verify(() => this.passwords.verify(password, account?.hash ?? undefined));
    if (right) return attempt.giveBack();
    await this.lockouts.announce(attempt, { account, email, orgId: caller.org.id }, caller.request);
    throw ownRefuser(own)('wrong_password');
  }

  #raised(before: Proof, proven: Proven | undefined): Proof {
    const now = this.clock.now();
    if (!proven) return withPassword(before, now);
    return withFactor(before, { methods: proven.methods, id: proven.factorId }, now);
  }

  #facts(tx: SystemTx, { userId, caller }: OwnSession): Promise<PersonFacts> {
    return readPersonFacts(tx, userId, caller.org.id, this.passkeys.work);
  }

  async #challenge(tx: SystemTx, own: OwnSession, person: PersonFacts, fresh: boolean): Promise<Fault> {
    const methods = stepUpMethods(person, fresh);
    const ceremony = methods.includes('passkey')
      ? await this.passkeys.request(credentialsOf(await readFactors(tx, own.userId)))
      : undefined;
    const id = await openChallenge(tx, {
      kind: 'step_up',
      userId: own.userId,
      orgId: own.caller.org.id,
      sessionId: own.session.id,
      ...(ceremony && { data: { webauthn: ceremony.challenge } }),
    });
    return AuthFault.step_up_required({
      data: { challenge: { id, methods, expiresIn: CHALLENGE_SECONDS, passkey: ceremony?.options } },
    });
  }

  #inOwn<T>({ caller }: OwnSession, work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.database.acrossOrgsFor('own_factors', caller, work);
  }
}

function requireOffered(person: PersonFacts, method: string): void {
  const methods = stepUpMethods(person, false).filter((one) => !one.startsWith('enroll_'));
  if (!methods.some((one) => one === method)) throw AuthFault.method_not_offered({ data: { methods } });
}
