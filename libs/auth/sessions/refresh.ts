import { Injectable } from '@nestjs/common';
import { Audit, type AuditAction, type AuditEntry } from '#audit';
import { Database, type SystemTx } from '#database';
import { type Fault, type RequestFacts, sameSecret, tokenDigest } from '#kernel';
import { MasterKey } from '#secrets';
import { findAccount, readAccountOrgs } from '../account.store.ts';
import type { TokensView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { AttemptLimits } from '../limits/attempt-limits.ts';
import { clientDigest, GRACE_SECONDS } from './refresh-grace.ts';
import {
  lockRefreshToken,
  readSuccessor,
  type RefreshRow,
  rotateRefreshToken,
  type Successor,
} from './refresh-token.store.ts';
import { newRefreshToken, SessionIssuer } from './session-issuer.ts';
import { revokeSessions } from './session.store.ts';
import { sessionFactsOf } from './session-view.ts';

/**
 * Refresh with rotation (RFC 9700 section 4.14.2): each token is used once and answers its successor. Within a short
 * grace the client that got the successor gets the same one again; a used token that comes later, or from somebody
 * else, means that two parties hold it: the session ends for both. Never does one token have two successors.
 */
@Injectable()
export class Refresh {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly issuer: SessionIssuer,
    private readonly limits: AttemptLimits,
    private readonly masterKey: MasterKey,
  ) {}

  refresh(refreshToken: string, facts: RequestFacts): Promise<TokensView> {
    return this.limits.countRefusals(facts, () => this.#refresh(refreshToken, facts));
  }

  async #refresh(refreshToken: string, facts: RequestFacts): Promise<TokensView> {
    const outcome = await this.database.acrossOrgs('own_sessions', async (tx) => {
      const row = await lockRefreshToken(tx, tokenDigest(refreshToken));
      if (!row)
        return AuthFault.invalid_refresh_token({
          audit: { action: 'auth.refresh_refused', reason: 'unknown' },
        });
      const next = await (row.used_at ? this.#again(tx, row, facts) : this.#rotate(tx, row, facts));
      if (typeof next !== 'string') return next;
      const account = await findAccount(tx, { id: row.user_id });
      const org = (await readAccountOrgs(tx, row.user_id)).find((one) => one.id === row.org_id);
      if (!account || !org) return refusal(row, 'not_live');
      return { session: sessionFactsOf(row), account, org, next };
    });
    // Thrown only now, for what the refusal wrote must commit.
    if (outcome instanceof Error) throw outcome;
    return this.issuer.answer(outcome.session, outcome.account, outcome.org, outcome.next);
  }

  /** The first use of a token. */
  async #rotate(tx: SystemTx, row: RefreshRow, facts: RequestFacts): Promise<string | Fault> {
    if (!row.live) return refusal(row, row.revoked_reason ?? 'not_live');
    const next = newRefreshToken();
    await this.audit.record(tx, recordOf(row, facts, 'auth.refreshed'));
    await rotateRefreshToken(tx, row, {
      digest: tokenDigest(next),
      successor: this.#wrap(row, next, facts),
      graceSeconds: GRACE_SECONDS,
    });
    return next;
  }

  /** A token that was used before: its successor once more, or the end of the session. */
  async #again(tx: SystemTx, row: RefreshRow, facts: RequestFacts): Promise<string | Fault> {
    if (row.revoked_at !== null) return refusal(row, 'used_before');
    const successor = await readSuccessor(tx, row.token_id);
    const client = clientDigest(this.#clientKey, row.token_id, facts);
    const same = successor !== undefined && client !== undefined && sameSecret(client, successor.client);
    if (!same) {
      const reason = successor ? 'another_client' : 'after_grace';
      await this.audit.record(tx, {
        ...recordOf(row, facts, 'auth.refresh_reused'),
        outcome: 'denied',
        reason,
      });
      await revokeSessions(tx, { id: row.id }, 'refresh_reused');
      return refusal(row, 'used_before');
    }
    if (!row.live) return refusal(row, 'not_live');
    await this.audit.record(tx, { ...recordOf(row, facts, 'auth.refreshed'), reason: 'within_grace' });
    return this.masterKey.unwrap(successor.wrapped, contextOf(row)).toString();
  }

  /** Asked each time: another one after the master key has rotated. */
  get #clientKey(): Buffer {
    return this.masterKey.derive('refresh-client');
  }

  #wrap(row: RefreshRow, next: string, facts: RequestFacts): Successor | undefined {
    const client = clientDigest(this.#clientKey, row.token_id, facts);
    return client === undefined
      ? undefined
      : { client, wrapped: this.masterKey.wrap(Buffer.from(next), contextOf(row)) };
  }
}

function contextOf({ token_id: id }: RefreshRow): string {
  return `refresh_successor:${id}`;
}

function refusal(row: RefreshRow, reason: string): Fault {
  return AuthFault.invalid_refresh_token({
    audit: {
      action: 'auth.refresh_refused',
      reason,
      orgId: row.org_id,
      actorId: row.user_id,
      target: { type: 'session', id: row.id },
    },
  });
}

function recordOf(row: RefreshRow, facts: RequestFacts, action: AuditAction): AuditEntry {
  return {
    orgId: row.org_id,
    actor: { type: 'user', id: row.user_id, sessionId: row.id },
    action,
    target: { type: 'session', id: row.id },
    outcome: 'success',
    request: facts,
  };
}
