import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import { Clock, type RequestFacts, tokenDigest } from '#kernel';
import {
  type Account,
  hasRunOut,
  readAccountOrgs,
  storePassword,
  storeUpgradedHash,
} from '../account.store.ts';
import { nothingProven, withPassword } from '../assurance.ts';
import type { LoginRequest, PasswordChangeRequest, TokensView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { findChallenge, spendChallenge } from '../challenges/challenge.store.ts';
import { type Attempt, AttemptLimits } from '../limits/attempt-limits.ts';
import { Lockouts } from '../limits/lockouts.ts';
import { isOutdated } from '../passwords/password-hash.ts';
import { ChosenPasswords } from '../passwords/chosen-passwords.ts';
import { Passwords } from '../passwords/passwords.ts';
import { strictest } from '../policy/org-policy.ts';
import { choicesOf, deviceOf, organizationRequired, requireActive, resume } from './sign-in-account.ts';
import { recordBase, refusal, SignInPath } from './sign-in-path.ts';
import { readForSignIn, type SignInFacts } from './sign-in.store.ts';

/**
 * Sign-in by password. Unknown account, wrong password, locked, disabled and no membership get the same answer
 * after the same work: one read, one count, one hash, one audit record.
 */
@Injectable()
export class SignIn {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly passwords: Passwords,
    private readonly chosen: ChosenPasswords,
    private readonly limits: AttemptLimits,
    private readonly lockouts: Lockouts,
    private readonly path: SignInPath,
    private readonly clock: Clock,
  ) {}

  async login(request: LoginRequest, facts: RequestFacts): Promise<TokensView> {
    const digest = request.deviceToken === undefined ? undefined : tokenDigest(request.deviceToken);
    const found = await readForSignIn(this.database.alone('sign_in'), request.email, digest);
    const choices = choicesOf(found.orgs, request.organization);
    const attempt = await this.limits.countPassword({
      email: request.email,
      ip: facts.ip,
      deviceId: found.device?.id,
      limits: strictest(found.orgs.map(({ policy }) => policy)).limits,
      org: choices[0] && { id: choices[0].id, limits: choices[0].policy.limits },
      platform: found.platform.policy.limits,
    });
    // Where the attempt is not admitted, a decoy is: the same work, and nothing is verified.
    const right = await attempt.verify((really) =>
      this.passwords.verify(request.password, (really && found.account?.hash) || undefined),
    );
    const reason = attempt.admitted
      ? this.#refusalReason(found.account, found.orgs, right)
      : found.account && 'account_locked';
    const { account } = found;
    if (!account || reason !== undefined) throw await this.#refused(found, attempt, reason, request, facts);
    const [org, ...others] = choices;
    if (!org) throw AuthFault.invalid_credentials({ audit: refusal(account, undefined, 'not_a_member') });
    try {
      if (others.length > 0) throw organizationRequired(account, found.orgs);
      requireActive(account, org);
    } catch (stop) {
      await attempt.giveBackGuess();
      throw stop;
    }
    const upgraded = isOutdated(account.hash ?? '') ? await this.passwords.hash(request.password) : undefined;
    const journey = { account, org, facts, device: found.device };
    const given = attempt.giveBackGuess();
    try {
      return await this.path.go(
        journey,
        async (tx) => {
          if (upgraded !== undefined) {
            const action = 'auth.password_upgraded';
            await this.audit.record(tx, { ...recordBase(journey), outcome: 'success', action });
            await storeUpgradedHash(tx, account.id, upgraded);
          }
          return withPassword(nothingProven, this.clock.now());
        },
        {
          verified: { setAt: account.changed_at, toChange: upgraded !== undefined },
          opened: () => attempt.giveBack(),
        },
      );
    } finally {
      // Beside the transaction, never within: it needs a connection of its own.
      await given;
    }
  }

  /** Ends a `auth.password_change_required` refusal: sets the password and goes on. */
  changeRequired(request: PasswordChangeRequest, facts: RequestFacts): Promise<TokensView> {
    return this.limits.countRefusals(facts, () => this.#changeRequired(request, facts));
  }

  async #changeRequired(request: PasswordChangeRequest, facts: RequestFacts): Promise<TokensView> {
    const { deviceToken } = request;
    const { account, org, challenge, orgs, device } = await this.database.acrossOrgs(
      'sign_in',
      async (tx) => {
        // Not counted: nothing is guessed here, and who chooses a password may be refused often.
        const resumed = await resume(tx, await findChallenge(tx, request.challengeId, ['password_change']));
        const { id } = resumed.account;
        return {
          ...resumed,
          orgs: await readAccountOrgs(tx, id),
          device: await deviceOf(tx, id, deviceToken),
        };
      },
    );
    if (await this.passwords.verify(request.newPassword, account.hash ?? undefined)) {
      throw AuthFault.password_unchanged({
        errors: [{ path: 'newPassword', message: 'must not be the old one' }],
      });
    }
    const hash = await this.chosen.hash(request.newPassword, { ...account, organizations: orgs });
    const journey = { account, org, facts, device };
    return this.path.go(journey, async (tx) => {
      if (!(await spendChallenge(tx, challenge.id)))
        throw AuthFault.invalid_challenge({ audit: refusal(account, org, 'invalid_challenge') });
      await this.audit.record(tx, {
        ...recordBase(journey),
        outcome: 'success',
        action: 'auth.password_changed',
      });
      await storePassword(tx, account.id, hash);
      return withPassword(challenge.proof, this.clock.now());
    });
  }

  /** The one answer that all refusals share; the audit record tells them apart. */
  async #refused(
    { account, orgs, platform }: SignInFacts,
    attempt: Attempt,
    reason: string | undefined,
    request: LoginRequest,
    facts: RequestFacts,
  ): Promise<Error> {
    const tenants = orgs.filter((org) => org.kind === 'tenant');
    const org =
      orgs.find((one) => one.slug === request.organization) ??
      (tenants.length === 1 ? tenants[0] : undefined);
    const orgId = org?.id ?? platform.id;
    await this.lockouts.announce(attempt, { account, email: request.email, orgId }, facts);
    return AuthFault.invalid_credentials({
      audit: account
        ? refusal(account, org, reason ?? 'unknown')
        : {
            action: 'auth.sign_in_refused',
            reason: 'unknown_account',
            target: { type: 'user', id: 'unknown', display: request.email },
          },
    });
  }

  #refusalReason(
    account: Account | undefined,
    orgs: SignInFacts['orgs'],
    right: boolean,
  ): string | undefined {
    if (!account) return 'unknown_account';
    if (account.status !== 'active') return 'account_disabled';
    if (account.locked_until && account.locked_until > this.clock.now()) return 'account_locked';
    if (!right) return 'wrong_password';
    if (hasRunOut(account, this.clock.now())) return 'one_time_password_expired';
    return orgs.length === 0 ? 'no_membership' : undefined;
  }
}
