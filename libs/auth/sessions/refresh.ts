import { Injectable } from '@nestjs/common';
import { Audit, type AuditAction, type AuditEntry } from '#audit';
import { Database } from '#database';
import { type RequestFacts, tokenDigest } from '#kernel';
import { findAccount, readAccountOrgs } from '../account.store.ts';
import type { TokensView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { SessionIssuer } from './session-issuer.ts';
import { lockRefreshToken, markRefreshTokenUsed, type RefreshRow, revokeSessions } from './session.store.ts';
import { sessionFactsOf } from './session-view.ts';

/**
 * Refresh with rotation (RFC 9700 section 4.14.2): each token works once and answers its successor. A token that
 * comes a second time means that two parties hold it: the session ends for both.
 */
@Injectable()
export class Refresh {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly issuer: SessionIssuer,
  ) {}

  async refresh(refreshToken: string, facts: RequestFacts): Promise<TokensView> {
    const outcome = await this.database.acrossOrgs('own_sessions', async (tx) => {
      const row = await lockRefreshToken(tx, tokenDigest(refreshToken));
      if (!row)
        return AuthFault.invalid_refresh_token({
          audit: { action: 'auth.refresh_refused', reason: 'unknown' },
        });
      if (row.used_at && row.revoked_at === null) {
        await this.audit.record(tx, recordOf(row, facts, 'auth.refresh_reused', 'denied'));
        await revokeSessions(tx, { id: row.id }, 'refresh_reused');
      }
      if (row.used_at || !row.live) return AuthFault.invalid_refresh_token({ audit: refusal(row) });
      await this.audit.record(tx, recordOf(row, facts, 'auth.refreshed', 'success'));
      await markRefreshTokenUsed(tx, row.token_id, row.id);
      const session = sessionFactsOf(row);
      const account = await findAccount(tx, { id: row.user_id });
      const org = (await readAccountOrgs(tx, row.user_id)).find((one) => one.id === row.org_id);
      if (!account || !org) return AuthFault.invalid_refresh_token({ audit: refusal(row) });
      return { session, account, org, next: await this.issuer.addRefreshToken(tx, session) };
    });
    if (outcome instanceof Error) throw outcome;
    return this.issuer.answer(outcome.session, outcome.account, outcome.org, outcome.next);
  }
}

function refusal(row: RefreshRow): object {
  return {
    action: 'auth.refresh_refused',
    reason: row.used_at ? 'used_before' : (row.revoked_reason ?? 'not_live'),
    orgId: row.org_id,
    actorId: row.user_id,
    target: { type: 'session', id: row.id },
  };
}

function recordOf(
  row: RefreshRow,
  facts: RequestFacts,
  action: AuditAction,
  outcome: AuditEntry['outcome'],
): AuditEntry {
  return {
    orgId: row.org_id,
    actor: { type: 'user', id: row.user_id, sessionId: row.id },
    action,
    target: { type: 'session', id: row.id },
    outcome,
    request: facts,
  };
}
