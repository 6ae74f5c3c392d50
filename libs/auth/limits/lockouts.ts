import { Injectable } from '@nestjs/common';
import { Audit } from '#audit';
import { Database } from '#database';
import type { RequestFacts } from '#kernel';
import { SignInMail } from '../sign-in-mail.ts';
import type { Attempt } from './attempt-limits.ts';
import { announceOnce } from './attempt.store.ts';

/** Whose limit it is; nobody's where the address is unknown. */
export interface Locked {
  readonly account: { readonly id: string; readonly email: string } | undefined;
  readonly email: string;
  /** Whose log it belongs to. */
  readonly orgId: string;
}

/** Tells, once a window, that guesses reached a limit: the log of the organization, and the person by mail. */
@Injectable()
export class Lockouts {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly mail: SignInMail,
  ) {}

  /** After a guess that was wrong. Does nothing unless it was the last there was; for nobody's address it does the same. */
  async announce(attempt: Attempt, { account, email, orgId }: Locked, facts: RequestFacts): Promise<void> {
    const point = attempt.lastOfAccount;
    if (!point) return;
    await this.database.acrossOrgs('count_attempts', async (tx) => {
      if (!(await announceOnce(tx, point))) return;
      await this.audit.record(tx, {
        orgId,
        actor: { type: 'anonymous', id: 'anonymous' },
        action: 'auth.locked',
        target: { type: 'user', id: account?.id ?? 'unknown', display: email },
        outcome: 'denied',
        // `device`, `pair` (this account from this source) `account` (from everywhere but known devices),
        // or the factor whose codes were guessed.
        reason: point.pool.slice(0, point.pool.indexOf(':')),
        request: facts,
      });
      if (account) await this.mail.sendLockout(tx, account.email, facts);
    });
  }
}
