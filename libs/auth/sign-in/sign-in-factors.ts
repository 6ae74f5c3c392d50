import { Injectable } from '@nestjs/common';
import { Database, type SystemTx } from '#database';
import { type CallerOrg, Clock, type RequestFacts } from '#kernel';
import { type Account, findAccount, readAccountOrgs } from '../account.store.ts';
import { nothingProven, withFactor } from '../assurance.ts';
import { AuthFault } from '../auth.faults.ts';
import {
  attemptChallenge,
  type Challenge,
  CHALLENGE_SECONDS,
  findChallenge,
  openChallenge,
  spendChallenge,
  storeChallengeData,
} from '../challenges/challenge.store.ts';
import type { KnownDevice } from '../devices/devices.ts';
import { Enrolments } from '../factors/enrolments.ts';
import {
  countRecoveryCodes,
  type FactorRow,
  findPasskey,
  lockPerson,
  readFactors,
} from '../factors/factor.store.ts';
import { FactorGuesses } from '../factors/factor-guesses.ts';
import { FactorProofs, type Proven, type Refuse } from '../factors/factor-proofs.ts';
import type {
  EnrolmentView,
  LoginEnrollRequest,
  LoginVerifyRequest,
  PasskeySignInView,
  VerifiedView,
} from '../factors/factors.contract.ts';
import { Passkeys } from '../factors/passkeys.ts';
import { FEW_CODES } from '../factors/recovery-codes.ts';
import { AttemptLimits, type Limits } from '../limits/attempt-limits.ts';
import { strictest } from '../policy/org-policy.ts';
import { readPoliciesOf } from '../policy/policy.store.ts';
import { choicesOf, deviceOf, organizationRequired, requireActive, resume } from './sign-in-account.ts';
import { type Journey, recordBase, refusal, SignInPath } from './sign-in-path.ts';
import { type EnrollMethod, type FactorMethod, nextStep, type PersonFacts } from './sign-in-steps.ts';

/** A sign-in that waits, and all that decides how it goes on. */
interface Waiting {
  readonly challenge: Challenge;
  readonly account: Account;
  readonly org: CallerOrg;
  readonly person: PersonFacts;
  readonly factors: readonly FactorRow[];
  readonly limits: Limits;
  readonly device: KnownDevice | undefined;
}

/** The steps of a sign-in that are no password: proving a factor, enrolling one, a passkey to begin with. */
@Injectable()
export class SignInFactors {
  constructor(
    private readonly database: Database,
    private readonly path: SignInPath,
    private readonly proofs: FactorProofs,
    private readonly enrolments: Enrolments,
    private readonly passkeys: Passkeys,
    private readonly guesses: FactorGuesses,
    private readonly limits: AttemptLimits,
    private readonly clock: Clock,
  ) {}

  /** A passkey as the first and only factor: whose it is, its answer will tell. */
  async beginPasskey(facts: RequestFacts): Promise<PasskeySignInView> {
    await this.limits.countSource(facts.ip);
    const { challenge, options } = await this.passkeys.request([]);
    const id = await this.database.acrossOrgs('sign_in', (tx) =>
      openChallenge(tx, { kind: 'passkey', data: { webauthn: challenge } }),
    );
    return { challenge: { id, methods: ['passkey'], expiresIn: CHALLENGE_SECONDS, passkey: options } };
  }

  /** Offers a factor to enroll, as the challenge of a sign-in asks for. */
  enroll({ challengeId, method }: LoginEnrollRequest, facts: RequestFacts): Promise<EnrolmentView> {
    return this.limits.countRefusals(facts, () =>
      this.database.acrossOrgs('sign_in', async (tx) => {
        const waiting = await this.#waiting(tx, await findChallenge(tx, challengeId, ['enroll']), undefined);
        requireOffered(waiting, method);
        const { data, shown } = await this.enrolments.begin(tx, waiting.account, method);
        await storeChallengeData(tx, waiting.challenge.id, data);
        return { challengeId, expiresIn: CHALLENGE_SECONDS, ...shown };
      }),
    );
  }

  /** Takes the answer to a challenge, and the next step of the sign-in. */
  verify(request: LoginVerifyRequest, facts: RequestFacts): Promise<VerifiedView> {
    return this.limits.countRefusals(facts, () => this.#verify(request, facts));
  }

  async #verify(request: LoginVerifyRequest, facts: RequestFacts): Promise<VerifiedView> {
    const found = await this.database.acrossOrgs('sign_in', async (tx) => {
      const challenge = await attemptChallenge(tx, request.challengeId, ['mfa', 'enroll', 'passkey']);
      return challenge?.kind === 'passkey' ? challenge : this.#waiting(tx, challenge, request.deviceToken);
    });
    if (!('account' in found)) return this.#passkeyFirst(found, request, facts);
    requireOffered(found, request.method);
    const { method } = request;
    return method === 'enroll_totp' || method === 'enroll_passkey'
      ? this.#enrolled(found, { ...request, method }, facts)
      : this.#proven(found, { ...request, method }, facts);
  }

  #proven(
    { challenge, account, org, factors, limits, device }: Waiting,
    request: LoginVerifyRequest & { method: FactorMethod },
    facts: RequestFacts,
  ): Promise<VerifiedView> {
    const guess = {
      method: request.method,
      challengeId: challenge.id,
      person: account,
      orgId: org.id,
      limits,
      deviceId: device?.id,
      facts,
      audit: refusal(account, org, 'too_many_attempts'),
    };
    return this.guesses.count(guess, async () => {
      const refuse = refuser(account, org);
      const proven = await this.proofs.check(account.id, factors, challenge.data, request, refuse);
      return this.#go({ account, org, facts, device }, challenge, proven, request.method);
    });
  }

  async #enrolled(
    waiting: Waiting,
    request: LoginVerifyRequest & { method: EnrollMethod },
    facts: RequestFacts,
  ): Promise<VerifiedView> {
    const { challenge, account, org, device } = waiting;
    const factor = await this.enrolments.check(challenge.data, request, refuser(account, org));
    const journey = { account, org, facts, device };
    let recoveryCodes: string[] | undefined;
    const tokens = await this.path.go(journey, async (tx) => {
      await lockPerson(tx, account.id);
      // Had the person got a factor meanwhile, the way would lead through that one.
      requireOffered({ challenge, person: await this.path.facts(tx, account.id, org.id) }, request.method);
      await spend(tx, challenge, account, org);
      const base = recordBase(journey);
      const added = await this.enrolments.add(tx, account.id, factor, request.name, base);
      recoveryCodes = added.recoveryCodes;
      return withFactor(challenge.proof, added, this.clock.now());
    });
    return { ...tokens, ...(recoveryCodes && { recoveryCodes }) };
  }

  /** The assertion tells whose passkey it is; from there on it is a sign-in like any other. */
  async #passkeyFirst(
    challenge: Challenge,
    request: LoginVerifyRequest,
    facts: RequestFacts,
  ): Promise<VerifiedView> {
    if (request.method !== 'passkey') throw notOffered(['passkey']);
    const { id: credentialId } = (request.assertion ?? {}) as { id?: unknown };
    const { deviceToken } = request;
    const { factor, account, orgs, device } = await this.database.acrossOrgs('sign_in', async (tx) => {
      const known = typeof credentialId === 'string' ? await findPasskey(tx, credentialId) : undefined;
      const owner = known && (await findAccount(tx, { id: known.user_id }));
      return {
        factor: known,
        account: owner,
        orgs: owner ? await readAccountOrgs(tx, owner.id) : [],
        device: owner && (await deviceOf(tx, owner.id, deviceToken)),
      };
    });
    if (!factor || !account) throw refuseUnknown('unknown_passkey');
    const refuse = refuser(account, orgs.length === 1 ? orgs[0] : undefined);
    const answer = { method: 'passkey', assertion: request.assertion } as const;
    const proven = await this.proofs.check(account.id, [factor], challenge.data, answer, refuse);
    if (account.status !== 'active') throw refuse('account_disabled');
    const [org, ...others] = choicesOf(orgs, request.organization);
    if (!org) throw refuse(orgs.length === 0 ? 'no_membership' : 'not_a_member');
    // The challenge stays open then, and takes the same answer with the name of an organization.
    if (others.length > 0) throw organizationRequired(account, orgs);
    requireActive(account, org);
    const journey = { account, org, facts, device };
    return this.#go(journey, { ...challenge, proof: nothingProven }, proven, 'passkey');
  }

  async #go(
    journey: Journey & { account: Account },
    challenge: Challenge,
    proven: Proven,
    method: FactorMethod,
  ): Promise<VerifiedView> {
    const { account, org } = journey;
    let left: number | undefined;
    const tokens = await this.path.go(journey, async (tx) => {
      await spend(tx, challenge, account, org);
      await proven.use(tx, recordBase(journey));
      if (method === 'recovery_code') left = await countRecoveryCodes(tx, account.id);
      const { methods, factorId: id } = proven;
      return withFactor(challenge.proof, { methods, id }, this.clock.now());
    });
    if (left === undefined) return tokens;
    return { ...tokens, recoveryCodesLeft: left, fewRecoveryCodes: left <= FEW_CODES };
  }

  async #waiting(
    tx: SystemTx,
    challenge: Challenge | undefined,
    deviceToken: string | undefined,
  ): Promise<Waiting> {
    const resumed = await resume(tx, challenge);
    const { account, org } = resumed;
    return {
      ...resumed,
      person: await this.path.facts(tx, account.id, org.id),
      factors: await readFactors(tx, account.id),
      limits: strictest(await readPoliciesOf(tx, account.id)).limits,
      device: await deviceOf(tx, account.id, deviceToken),
    };
  }
}

const stepOf = { mfa: 'prove_factor', enroll: 'enroll' } as const;

/**
 * Throws unless the challenge's step is still the next one, by what is so now, and takes this method. So whatever
 * changed since it was opened (a factor, the policy), no answer takes a step that is not the person's to take.
 */
function requireOffered({ challenge, person }: Pick<Waiting, 'challenge' | 'person'>, method: string): void {
  const next = nextStep(person, challenge.proof.authMethods);
  const kind = challenge.kind === 'mfa' || challenge.kind === 'enroll' ? challenge.kind : undefined;
  if (!('methods' in next) || kind === undefined || next.step !== stepOf[kind]) {
    throw AuthFault.invalid_challenge({
      audit: {
        action: 'auth.sign_in_refused',
        reason: 'invalid_challenge',
        ...(challenge.orgId !== undefined && { orgId: challenge.orgId }),
        ...(challenge.userId !== undefined && { actorId: challenge.userId }),
      },
    });
  }
  if (!next.methods.some((one) => one === method)) throw notOffered(next.methods);
}

function notOffered(methods: readonly string[]): Error {
  return AuthFault.method_not_offered({ data: { methods } });
}

async function spend(tx: SystemTx, { id }: Challenge, account: Account, org: CallerOrg): Promise<void> {
  if (await spendChallenge(tx, id)) return;
  throw AuthFault.invalid_challenge({ audit: refusal(account, org, 'invalid_challenge') });
}

function refuser(account: Account, org: CallerOrg | undefined): Refuse {
  return (reason) => AuthFault.factor_refused({ audit: refusal(account, org, reason) });
}

function refuseUnknown(reason: string): Error {
  return AuthFault.factor_refused({ audit: { action: 'auth.sign_in_refused', reason } });
}
