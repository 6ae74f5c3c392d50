import { Injectable } from '@nestjs/common';
import type { AuditEntry } from '#audit';
import { Database, type SystemTx } from '#database';
import { type CallerOrg, Fault, type RequestFacts } from '#kernel';
import type { Account } from '../account.store.ts';
import type { Proof } from '../assurance.ts';
import type { TokensView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { CHALLENGE_SECONDS, openChallenge } from '../challenges/challenge.store.ts';
import { Devices, type KnownDevice, type SeenDevice } from '../devices/devices.ts';
import { readFactors, readPersonFacts } from '../factors/factor.store.ts';
import { credentialsOf } from '../factors/factor-view.ts';
import { Passkeys } from '../factors/passkeys.ts';
import type { OrgPolicy } from '../policy/org-policy.ts';
import { type Opened, SessionIssuer } from '../sessions/session-issuer.ts';
import { holdSignIn, type VerifiedPassword } from './sign-in.store.ts';
import { nextStep, type PersonFacts, type Step } from './sign-in-steps.ts';

/** Who signs in, to what, by which request. */
export interface Journey {
  readonly account: Pick<Account, 'id' | 'email' | 'name'>;
  readonly org: CallerOrg;
  readonly facts: RequestFacts;
  /** The device it comes from, where that is known. */
  readonly device: KnownDevice | undefined;
}

/**
 * The way from a proof to a session. Whatever was proven, and by whichever route, comes through `go`: it asks
 * nextStep, by what the database says now, and opens the session or a challenge for what is missing.
 */
@Injectable()
export class SignInPath {
  constructor(
    private readonly database: Database,
    private readonly issuer: SessionIssuer,
    private readonly devices: Devices,
    private readonly passkeys: Passkeys,
  ) {}

  /**
   * Runs `prove` (which uses an answer up, and answers all that was proven until now) and takes the next step, in one
   * transaction; `opened` runs once it has opened the session. Throws `auth.mfa_required` or
   * `auth.password_change_required` where the session does not open yet; and `auth.invalid_credentials` where the
   * password that was `verified` is no longer the person's. With `verified`, `prove` leaves the person's facts as they are.
   */
  async go(
    journey: Journey,
    prove: (tx: SystemTx) => Promise<Proof>,
    { verified, opened }: { verified?: VerifiedPassword; opened?: () => Promise<void> } = {},
  ): Promise<TokensView> {
    const { account, org } = journey;
    const arrived = await this.database.acrossOrgs('sign_in', async (tx) => {
      const passkeysWork = this.passkeys.work;
      const held = await holdSignIn(tx, account.id, org.id, { verified, passkeysWork });
      if (verified && !held.password)
        throw AuthFault.invalid_credentials({ audit: refusal(account, org, 'password_changed_meanwhile') });
      const proof = await prove(tx);
      const person = verified ? held.person : await this.facts(tx, account.id, org.id);
      const step = nextStep(person, proof.authMethods);
      return step.step === 'open'
        ? this.#open(tx, journey, proof, held.policy)
        : this.#wait(tx, journey, proof, step);
    });
    if (arrived instanceof Fault) throw arrived;
    const [tokens] = await Promise.all([
      this.issuer.answer(arrived.session, account, org, arrived.refreshToken),
      opened?.(),
    ]);
    return { ...tokens, ...(arrived.device.token !== undefined && { deviceToken: arrived.device.token }) };
  }

  /** What is missing for a session in the organization, as a fault that carries a challenge; undefined for nothing. */
  async missing(tx: SystemTx, journey: Journey, proof: Proof): Promise<Fault | undefined> {
    const { account, org } = journey;
    const step = nextStep(await this.facts(tx, account.id, org.id), proof.authMethods);
    return step.step === 'open' ? undefined : this.#wait(tx, journey, proof, step);
  }

  facts(tx: SystemTx, userId: string, orgId: string): Promise<PersonFacts> {
    return readPersonFacts(tx, userId, orgId, this.passkeys.work);
  }

  async #open(
    tx: SystemTx,
    journey: Journey,
    proof: Proof,
    held: OrgPolicy,
  ): Promise<Opened & { device: SeenDevice }> {
    const { account: person, org, facts, device: known } = journey;
    const device = await this.devices.seen(tx, known, { person, org, facts });
    const opened = await this.issuer.open(tx, { person, org, proof, facts, deviceId: device.id, held });
    return { ...opened, device };
  }

  /** Opens the challenge for a step. Answers the fault that carries it. */
  async #wait(
    tx: SystemTx,
    { account, org }: Journey,
    proof: Proof,
    step: Exclude<Step, { step: 'open' }>,
  ): Promise<Fault> {
    const whose = { userId: account.id, orgId: org.id, proof };
    switch (step.step) {
      case 'prove_first':
        return AuthFault.invalid_credentials({ audit: refusal(account, org, 'nothing_proven') });
      case 'change_password': {
        const id = await openChallenge(tx, { ...whose, kind: 'password_change' });
        return AuthFault.password_change_required({
          data: { challenge: { id, methods: ['password_change'], expiresIn: CHALLENGE_SECONDS } },
          audit: refusal(account, org, 'password_change_required'),
        });
      }
      case 'prove_factor':
      case 'enroll': {
        const methods: readonly string[] = step.methods;
        // What is enrolled, or asked for, are passkeys; and they cannot work here.
        if (methods.length === 0)
          return AuthFault.passkeys_unavailable({ audit: refusal(account, org, 'passkeys_unavailable') });
        const asks = step.step === 'prove_factor' && methods.includes('passkey');
        const ceremony = asks
          ? await this.passkeys.request(credentialsOf(await readFactors(tx, account.id)))
          : undefined;
        const id = await openChallenge(tx, {
          ...whose,
          kind: step.step === 'enroll' ? 'enroll' : 'mfa',
          ...(ceremony && { data: { webauthn: ceremony.challenge } }),
        });
        return AuthFault.mfa_required({
          data: { challenge: { id, methods, expiresIn: CHALLENGE_SECONDS, passkey: ceremony?.options } },
          audit: { ...refusal(account, org, 'mfa_required'), action: 'auth.mfa_challenged' },
        });
      }
    }
  }
}

/** What the record of a refused sign-in says. */
export function refusal(
  account: Pick<Account, 'id' | 'email'>,
  org: Pick<CallerOrg, 'id'> | undefined,
  reason: string,
): {
  action: string;
  reason: string;
  orgId?: string;
  actorId: string;
  target: AuditEntry['target'] & object;
} {
  return {
    action: 'auth.sign_in_refused',
    reason,
    ...(org && { orgId: org.id }),
    actorId: account.id,
    target: { type: 'user', id: account.id, display: account.email },
  };
}

/** What the records of a sign-in have in common. */
export function recordBase({
  account,
  org,
  facts,
}: Journey): Omit<AuditEntry, 'action' | 'changes' | 'outcome'> {
  return {
    orgId: org.id,
    actor: { type: 'user', id: account.id, display: account.name },
    target: { type: 'user', id: account.id, display: account.email },
    request: facts,
  };
}
