import { Injectable } from '@nestjs/common';
import { AccessFault } from '#access';
import { Audit, type AuditEntry } from '#audit';
import { Database, type SystemTx } from '#database';
import { type CallerOrg, Clock, randomText, type RequestFacts, tokenDigest } from '#kernel';
import {
  type Account,
  findAccount,
  findChallenge,
  hasRunOut,
  holdPassword,
  insertChallenge,
  readAccountOrgs,
  storePassword,
  storeUpgradedHash,
  useChallenge,
} from './account.store.ts';
import type { LoginRequest, PasswordChangeRequest, TokensView } from './auth.contract.ts';
import { AuthFault } from './auth.faults.ts';
import { Devices, type KnownDevice } from './devices/devices.ts';
import { type Attempt, AttemptLimits } from './limits/attempt-limits.ts';
import { Lockouts } from './limits/lockouts.ts';
import { strictest } from './policy/org-policy.ts';
import { isOutdated } from './passwords/password-hash.ts';
import { ChosenPasswords } from './passwords/chosen-passwords.ts';
import { Passwords } from './passwords/passwords.ts';
import { type SignInFacts, findDevice, readForSignIn } from './sign-in.store.ts';
import { SessionIssuer } from './sessions/session-issuer.ts';

const CHALLENGE_SECONDS = 600;

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
    private readonly devices: Devices,
    private readonly issuer: SessionIssuer,
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
    const stop = await this.#stop(account, org, others, found.orgs);
    if (stop) {
      await attempt.giveBackGuess();
      throw stop;
    }
    const upgraded = isOutdated(account.hash ?? '') ? await this.passwords.hash(request.password) : undefined;
    const open = this.#open(account, org, ['pwd'], facts, found.device, async (tx, record) => {
      if (!(await holdPassword(tx, account, upgraded === undefined ? 'to read' : 'to change')))
        throw AuthFault.invalid_credentials({ audit: refusal(account, org, 'password_changed_meanwhile') });
      if (upgraded === undefined) return;
      await this.audit.record(tx, { ...record, action: 'auth.password_upgraded' });
      await storeUpgradedHash(tx, account.id, upgraded);
    });
    // Beside the transaction: it takes no longer, and holds no row that other sign-ins wait for.
    return (await Promise.all([open, attempt.giveBack()]))[0];
  }

  /** Ends a `auth.password_change_required` refusal: sets the password and signs in. */
  changeRequired(request: PasswordChangeRequest, facts: RequestFacts): Promise<TokensView> {
    return this.limits.countRefusals(facts, () => this.#changeRequired(request, facts));
  }

  async #changeRequired(request: PasswordChangeRequest, facts: RequestFacts): Promise<TokensView> {
    const digest = tokenDigest(request.challengeId);
    const { deviceToken } = request;
    const { account, orgs, org, challenge, device } = await this.database.acrossOrgs(
      'sign_in',
      async (tx) => {
        const open = await findChallenge(tx, digest);
        const found = open && (await findAccount(tx, { id: open.user_id }));
        const all = found ? await readAccountOrgs(tx, found.id) : [];
        return {
          account: found,
          orgs: all,
          org: all.find((one) => one.id === open?.org_id),
          challenge: open,
          device:
            found && deviceToken !== undefined && (await findDevice(tx, found.id, tokenDigest(deviceToken))),
        };
      },
    );
    if (!account || !org || !challenge || account.status !== 'active' || org.status !== 'active') {
      throw invalidChallenge();
    }
    if (await this.passwords.verify(request.newPassword, account.hash ?? undefined)) {
      throw AuthFault.password_unchanged({
        errors: [{ path: 'newPassword', message: 'must not be the old one' }],
      });
    }
    const hash = await this.chosen.hash(request.newPassword, { ...account, organizations: orgs });
    return this.#open(
      account,
      org,
      challenge.auth_methods,
      facts,
      device || undefined,
      async (tx, record) => {
        if (!(await useChallenge(tx, digest))) throw invalidChallenge();
        await this.audit.record(tx, { ...record, action: 'auth.password_changed' });
        await storePassword(tx, account.id, hash);
      },
    );
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

  /** What keeps a person whose password was right from a session for now. */
  async #stop(
    account: Account,
    org: CallerOrg,
    others: CallerOrg[],
    all: CallerOrg[],
  ): Promise<Error | undefined> {
    if (others.length > 0) {
      return AuthFault.organization_required({
        data: {
          organizations: all.map(({ id, slug: name, name: title }) => ({ id, slug: name, name: title })),
        },
        // The password was right: nobody finds that out unseen.
        audit: refusal(account, undefined, 'organization_required'),
      });
    }
    if (org.status !== 'active')
      return AccessFault.org_suspended({ audit: refusal(account, org, 'org_suspended') });
    return account.must_change ? this.#challenge(account, org) : undefined;
  }

  #refusalReason(account: Account | undefined, orgs: CallerOrg[], right: boolean): string | undefined {
    if (!account) return 'unknown_account';
    if (account.status !== 'active') return 'account_disabled';
    if (account.locked_until && account.locked_until > this.clock.now()) return 'account_locked';
    if (!right) return 'wrong_password';
    if (hasRunOut(account, this.clock.now())) return 'one_time_password_expired';
    return orgs.length === 0 ? 'no_membership' : undefined;
  }

  async #challenge(account: Account, org: CallerOrg): Promise<Error> {
    const id = `pcc_${randomText(32)}`;
    await this.database.acrossOrgs('sign_in', (tx) =>
      insertChallenge(tx, {
        digest: tokenDigest(id),
        userId: account.id,
        orgId: org.id,
        authMethods: ['pwd'],
        seconds: CHALLENGE_SECONDS,
      }),
    );
    return AuthFault.password_change_required({
      data: { challenge: { id, methods: ['password_change'], expiresIn: CHALLENGE_SECONDS } },
      audit: refusal(account, org, 'password_change_required'),
    });
  }

  /** Opens the session; `also` runs in the same transaction. */
  async #open(
    account: Account,
    org: CallerOrg,
    methods: readonly string[],
    facts: RequestFacts,
    known: KnownDevice | undefined,
    also: (tx: SystemTx, record: AuditEntry) => Promise<void>,
  ): Promise<TokensView> {
    const { session, refreshToken, device } = await this.database.acrossOrgs('sign_in', async (tx) => {
      const seen = await this.devices.seen(tx, known, { person: account, org, facts });
      const opened = await this.issuer.open(tx, {
        person: account,
        org,
        proof: { authMethods: methods },
        facts,
        deviceId: seen.id,
      });
      // It may have been replaced since it was verified, and all sessions ended: this one must not outlive it.
      const now = await findAccount(tx, { id: account.id });
      if (now?.hash !== account.hash)
        throw AuthFault.invalid_credentials({ audit: refusal(account, org, 'password_replaced') });
      await also(tx, opened.record);
      return { ...opened, device: seen };
    });
    const tokens = await this.issuer.answer(session, account, org, refreshToken);
    return { ...tokens, ...(device.token !== undefined && { deviceToken: device.token }) };
  }
}

/** The organization named, or the only one; of tenants and the platform, the tenants. */
function choicesOf<Org extends CallerOrg>(orgs: Org[], slug: string | undefined): Org[] {
  if (slug !== undefined) return orgs.filter((org) => org.slug === slug);
  const tenants = orgs.filter((org) => org.kind === 'tenant');
  return tenants.length > 0 ? tenants : orgs;
}

function invalidChallenge(): Error {
  return AuthFault.invalid_challenge({
    audit: { action: 'auth.sign_in_refused', reason: 'invalid_challenge' },
  });
}

function refusal(account: Account, org: CallerOrg | undefined, reason: string): object {
  return {
    action: 'auth.sign_in_refused',
    reason,
    orgId: org?.id,
    actorId: account.id,
    target: { type: 'user', id: account.id, display: account.email },
  };
}
