import { Injectable } from '@nestjs/common';
import { AccessFault } from '#access';
import { Audit, type AuditEntry } from '#audit';
import { Database, type SystemTx } from '#database';
import { type CallerOrg, Clock, randomText, type RequestFacts, tokenDigest } from '#kernel';
import {
  type Account,
  findAccount,
  insertChallenge,
  readAccountOrgs,
  storePassword,
  useChallenge,
} from './account.store.ts';
import type { LoginRequest, PasswordChangeRequest, TokensView } from './auth.contract.ts';
import { AuthFault } from './auth.faults.ts';
import { isOutdated } from './password-hash.ts';
import { Passwords } from './passwords.ts';
import { SessionIssuer } from './sessions/session-issuer.ts';

const CHALLENGE_SECONDS = 600;

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
    private readonly issuer: SessionIssuer,
    private readonly clock: Clock,
  ) {}

  async login(request: LoginRequest, facts: RequestFacts): Promise<TokensView> {
    const { account, orgs } = await this.database.acrossOrgs('sign_in', (tx) =>
      readAccount(tx, request.email),
    );
    const right = await this.passwords.verify(request.password, account?.hash ?? undefined);
    const known = this.#require(account, orgs, right, request);
    const org = chooseOrg(known, orgs, request.organization);
    if (org.status !== 'active')
      throw AccessFault.org_suspended({ audit: refusal(known, org, 'org_suspended') });
    if (known.must_change) throw await this.#challenge(known, org);
    const upgraded = isOutdated(known.hash ?? '') ? await this.passwords.hash(request.password) : undefined;
    return this.#open(known, org, ['pwd'], facts, async (tx, record) => {
      if (upgraded === undefined) return;
      await this.audit.record(tx, { ...record, action: 'auth.password_upgraded' });
      await storePassword(tx, known.id, upgraded, false);
    });
  }

  /** Ends a `auth.password_change_required` refusal: sets the password and signs in. */
  async changeRequired(request: PasswordChangeRequest, facts: RequestFacts): Promise<TokensView> {
    const { account, org, challenge } = await this.database.acrossOrgs('sign_in', async (tx) => {
      const taken = await useChallenge(tx, tokenDigest(request.challengeId));
      const found = taken && (await findAccount(tx, { id: taken.user_id }));
      const orgs = found ? await readAccountOrgs(tx, found.id) : [];
      return { account: found, org: orgs.find((one) => one.id === taken?.org_id), challenge: taken };
    });
    if (!account || !org || !challenge || account.status !== 'active' || org.status !== 'active') {
      throw AuthFault.invalid_challenge({
        audit: { action: 'auth.sign_in_refused', reason: 'invalid_challenge' },
      });
    }
    if (await this.passwords.verify(request.newPassword, account.hash ?? undefined)) {
      // The challenge is spent; sign in again for another.
      throw AuthFault.password_unchanged({
        errors: [{ path: 'newPassword', message: 'must not be the old one' }],
      });
    }
    const hash = await this.passwords.hash(request.newPassword);
    return this.#open(account, org, challenge.auth_methods, facts, async (tx, record) => {
      await this.audit.record(tx, { ...record, action: 'auth.password_changed' });
      await storePassword(tx, account.id, hash, false);
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
    also: (tx: SystemTx, record: AuditEntry) => Promise<void>,
  ): Promise<TokensView> {
    const { session, refreshToken } = await this.database.acrossOrgs('sign_in', async (tx) => {
      const opened = await this.issuer.open(tx, {
        person: account,
        org,
        proof: { authMethods: methods },
        facts,
      });
      // It may have been replaced since it was verified, and all sessions ended: this one must not outlive it.
      const now = await findAccount(tx, { id: account.id });
      if (now?.hash !== account.hash)
        throw AuthFault.invalid_credentials({ audit: refusal(account, org, 'password_replaced') });
      await also(tx, opened.record);
      return opened;
    });
    return this.issuer.answer(session, account, org, refreshToken);
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

/** The organization named, or the only one; of a tenant and the platform, the tenant. */
function chooseOrg(account: Account, orgs: CallerOrg[], slug: string | undefined): CallerOrg {
  const tenants = orgs.filter((org) => org.kind === 'tenant');
  const choices =
    slug === undefined ? (tenants.length > 0 ? tenants : orgs) : orgs.filter((org) => org.slug === slug);
  const [first, ...others] = choices;
  if (!first) throw AuthFault.invalid_credentials({ audit: refusal(account, undefined, 'not_a_member') });
  if (others.length > 0) {
    throw AuthFault.organization_required({
      data: {
        organizations: orgs.map(({ id, slug: name, name: title }) => ({ id, slug: name, name: title })),
      },
      // The password was right: nobody finds that out unseen.
      audit: refusal(account, undefined, 'organization_required'),
    });
  }
  return first;
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
