import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, type SystemTx } from '#database';
import { type CallerOrg, Clock, type RequestFacts } from '#kernel';
import { type Account, findAccount, readAccountOrgs, storePassword } from '../account.store.ts';
import { nothingProven, withPassword } from '../assurance.ts';
import type { LoginRequest, PasswordChangeRequest, TokensView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { attemptChallenge, spendChallenge } from '../challenges/challenge.store.ts';
import { isOutdated } from '../password-hash.ts';
import { Passwords } from '../passwords.ts';
import { chooseOrg, requireActive, resume } from './sign-in-account.ts';
import { recordBase, refusal, SignInPath } from './sign-in-path.ts';

/**
 * Sign-in by password. Unknown account, wrong password, locked, disabled and no membership get the same answer
 * after the same work: one read, one hash, one audit record.
 */
@Injectable()
export class SignIn {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly passwords: Passwords,
    private readonly path: SignInPath,
    private readonly clock: Clock,
  ) {}

  async login(request: LoginRequest, facts: RequestFacts): Promise<TokensView> {
    const { account, orgs } = await this.database.acrossOrgs('sign_in', (tx) =>
      readAccount(tx, request.email),
    );
    const right = await this.passwords.verify(request.password, account?.hash ?? undefined);
    const known = this.#require(account, orgs, right, request);
    const org = chooseOrg(known, orgs, request.organization);
    requireActive(known, org);
    const upgraded = isOutdated(known.hash ?? '') ? await this.passwords.hash(request.password) : undefined;
    const journey = { account: known, org, facts };
    return this.path.go(journey, async (tx) => {
      if (upgraded !== undefined) {
        await this.audit.record(tx, {
          ...recordBase(journey),
          outcome: 'success',
          action: 'auth.password_upgraded',
        });
        await storePassword(tx, known.id, upgraded, known.must_change ?? false);
      }
      return withPassword(nothingProven, this.clock.now());
    });
  }

  /** Ends a `auth.password_change_required` refusal: sets the password and goes on. */
  async changeRequired(request: PasswordChangeRequest, facts: RequestFacts): Promise<TokensView> {
    const { account, org, challenge } = await this.database.acrossOrgs('sign_in', async (tx) =>
      resume(tx, await attemptChallenge(tx, request.challengeId, ['password_change'])),
    );
    if (await this.passwords.verify(request.newPassword, account.hash ?? undefined)) {
      throw AuthFault.password_unchanged({
        errors: [{ path: 'newPassword', message: 'must not be the old one' }],
      });
    }
    const hash = await this.passwords.hash(request.newPassword);
    const journey = { account, org, facts };
    return this.path.go(journey, async (tx) => {
      if (!(await spendChallenge(tx, challenge.id)))
        throw AuthFault.invalid_challenge({ audit: refusal(account, org, 'invalid_challenge') });
      await this.audit.record(tx, {
        ...recordBase(journey),
        outcome: 'success',
        action: 'auth.password_changed',
      });
      await storePassword(tx, account.id, hash, false);
      return withPassword(challenge.proof, this.clock.now());
    });
  }

  /** Throws the one answer that all refusals share; the audit record tells them apart. */
  #require(account: Account | undefined, orgs: CallerOrg[], right: boolean, request: LoginRequest): Account {
    const reason = this.#refusalReason(account, orgs, right);
    if (account && reason === undefined) return account;
    const tenants = orgs.filter((org) => org.kind === 'tenant');
    const org =
      orgs.find((one) => one.slug === request.organization) ??
      (tenants.length === 1 ? tenants[0] : undefined);
    throw AuthFault.invalid_credentials({
      audit: account
        ? refusal(account, org, reason ?? 'unknown')
        : {
            action: 'auth.sign_in_refused',
            reason: 'unknown_account',
            target: { type: 'user', id: 'unknown', display: request.email },
          },
    });
  }

  #refusalReason(account: Account | undefined, orgs: CallerOrg[], right: boolean): string | undefined {
    if (!account) return 'unknown_account';
    if (account.status !== 'active') return 'account_disabled';
    if (account.locked_until && account.locked_until > this.clock.now()) return 'account_locked';
    if (!right) return 'wrong_password';
    return orgs.length === 0 ? 'no_membership' : undefined;
  }
}

async function readAccount(
  tx: SystemTx,
  email: string,
): Promise<{ account: Account | undefined; orgs: CallerOrg[] }> {
  const account = await findAccount(tx, { email });
  // Asked for nobody too, so that the work is the same.
  const orgs = await readAccountOrgs(tx, account?.id ?? '00000000-0000-7000-8000-000000000000');
  return { account, orgs };
}
