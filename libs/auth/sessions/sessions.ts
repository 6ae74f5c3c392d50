import { Injectable } from '@nestjs/common';
import { Audit, type AuditNote } from '#audit';
import { Database, type OrgTx, type SystemTx } from '#database';
import { type Caller, callerIn, Clock, pageOf, readPage } from '#kernel';
import { AuthFault } from '../auth.faults.ts';
import type { MeView, SessionPage, SessionsQuery } from '../auth.contract.ts';
import { AuthorityCaller } from '../authority.ts';
import {
  lockSessionsOf,
  readOrgSessions,
  readOwnSessions,
  revokeSessions,
  type SessionRow,
  type SessionSelection,
} from './session.store.ts';
import { sessionFactsOf, sessionView } from './session-view.ts';

/**
 * Seeing and ending sessions. Every ending goes through `end`, and answers when no replica accepts the session
 * any more: the transaction waits for that (Database, InvalidationStream).
 */
@Injectable()
export class Sessions {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly clock: Clock,
  ) {}

  me(caller: Caller): MeView {
    if (!(caller instanceof AuthorityCaller)) throw AuthFault.sessions_only();
    const { authority } = caller;
    const now = this.clock.now();
    return {
      user: { id: authority.userId, email: authority.email, name: authority.userName },
      organization: authority.org,
      session: authority.session && sessionView(authority.session, now, authority.session.id),
      permissions: [...authority.permissions].sort(),
    };
  }

  /** The caller's own, in every organization. */
  async own(caller: Caller, query: { limit?: number; cursor?: string }): Promise<SessionPage> {
    const { limit, before } = readPage(query);
    const rows = await this.database.acrossOrgsFor('own_sessions', caller, (tx) =>
      readOwnSessions(tx, personOf(caller), limit + 1, before),
    );
    return this.#page(rows, limit, caller);
  }

  async ofOrg(caller: Caller, query: SessionsQuery): Promise<SessionPage> {
    const { limit, before } = readPage(query);
    const rows = await this.database.inOrg(caller, (tx) =>
      readOrgSessions(tx, query.userId, limit + 1, before),
    );
    return this.#page(rows, limit, caller);
  }

  async signOut(caller: Caller): Promise<void> {
    const id = caller.sessionId;
    if (id === undefined) throw AuthFault.sessions_only();
    await this.database.inOrg(caller, async (tx) => {
      await revokeSessions(tx, { id }, 'signed_out');
      await this.audit.append(tx, caller, { action: 'auth.signed_out', target: { type: 'session', id } });
    });
  }

  /** Ends one of the caller's own sessions, in whatever organization. */
  async endOwn(caller: Caller, id: string): Promise<void> {
    const userId = personOf(caller);
    const ended = await this.database.acrossOrgsFor('own_sessions', caller, (tx) =>
      this.end(tx, caller, { id, userId }, 'revoked_by_owner'),
    );
    if (ended === 0) throw AuthFault.session_not_found();
  }

  /** Ends all of the caller's own sessions but the one that asks. Answers how many. */
  endOwnOthers(caller: Caller): Promise<number> {
    const selection = { userId: personOf(caller), except: caller.sessionId };
    return this.database.acrossOrgsFor('own_sessions', caller, (tx) =>
      this.endEvery(tx, caller, selection, 'revoked_by_owner'),
    );
  }

  /** Ends one session of the organization. */
  async endInOrg(caller: Caller, id: string): Promise<void> {
    const ended = await this.database.inOrg(caller, (tx) => this.end(tx, caller, { id }, 'revoked_by_admin'));
    if (ended === 0) throw AuthFault.session_not_found();
  }

  /** Ends a member's sessions in the organization. Answers how many. */
  endOfMember(caller: Caller, userId: string): Promise<number> {
    return this.database.inOrg(caller, (tx) => this.endEvery(tx, caller, { userId }, 'revoked_by_admin'));
  }

  /**
   * Ends all of a person's sessions but one, also those that are being made at this moment. Before anything else that
   * the transaction locks.
   */
  async endEvery(
    tx: OrgTx | SystemTx,
    caller: Caller,
    selection: { userId: string; except?: string | undefined },
    reason: string,
  ): Promise<number> {
    await lockSessionsOf(tx, selection.userId, 'end_all');
    return this.end(tx, caller, selection, reason);
  }

  /** Ends the selected sessions in a transaction of another use case, each with its record. Answers how many. */
  async end(
    tx: OrgTx | SystemTx,
    caller: Caller,
    selection: SessionSelection,
    reason: string,
  ): Promise<number> {
    const ended = await revokeSessions(tx, selection, reason);
    for (const [orgId, sessions] of Map.groupBy(ended, (session) => session.org_id)) {
      // The records belong to the sessions' organization, which may be another of the same person's.
      const there = orgId === caller.org.id ? caller : callerIn(caller, { ...caller.org, id: orgId });
      await this.audit.appendAll(tx, there, sessions.map(noteOf(reason)));
    }
    return ended.length;
  }

  #page(rows: SessionRow[], limit: number, caller: Caller): SessionPage {
    return pageOf(rows, limit, (row) => sessionView(sessionFactsOf(row), row.last_seen_at, caller.sessionId));
  }
}

/** The record of one session's end. */
export function noteOf(reason: string): (session: { id: string; user_id: string }) => AuditNote {
  return ({ id, user_id: userId }) => ({
    action: 'session.revoked',
    target: { type: 'session', id },
    reason,
    changes: { user: { to: userId } },
  });
}

/** The person who asks; throws `auth.sessions_only` for an API key. */
export function personOf(caller: Caller): string {
  if (caller.kind !== 'user' || caller.userId === undefined) throw AuthFault.sessions_only();
  return caller.userId;
}
