import { Injectable } from '@nestjs/common';
import { Audit, type Changes, personal } from '#audit';
import { Database } from '#database';
import type { Caller } from '#kernel';
import type { SessionView } from '../auth.contract.ts';
import { AuthFault } from '../auth.faults.ts';
import { isCidr } from '../policy/org-policy.ts';
import type {
  RevokedSessionsView,
  RevokeSessionsRequest,
  SessionFilter,
} from './bulk-revocation.contract.ts';
import { findSessions, readSessions, revokeThese } from './bulk-revocation.store.ts';
import { noteOf } from './sessions.ts';
import { sessionFactsOf, sessionView } from './session-view.ts';

const SHOWN = 100;
/** Sessions per transaction: it holds the log of the organization for about a quarter of a second. */
const PORTION = 2_000;
const REASON = 'revoked_in_bulk';

/** Ends every session of the organization that a filter finds, or tells which it would. */
@Injectable()
export class BulkRevocation {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  /**
   * What is found at that moment is ended, and nothing that comes after; a dry run before it promises nothing. Many
   * go in portions, for others wait while one commits: where one fails, those before it have ended and a repeat
   * finds the rest.
   */
  async revoke(caller: Caller, request: RevokeSessionsRequest): Promise<RevokedSessionsView> {
    requireMeant(request);
    const { exceptCurrent = true, dryRun = false } = request;
    const { ids, shown } = await this.#find(caller, { ...request, exceptCurrent, dryRun });
    if (dryRun) return { matched: ids.length, revoked: 0, sessions: shown };
    // The caller's own goes last: nothing goes on with a session that has ended.
    const ordered = ids.toSorted((a, b) => Number(a === caller.sessionId) - Number(b === caller.sessionId));
    let revoked = 0;
    for (let at = 0; at < ordered.length; at += PORTION)
      revoked += await this.#end(caller, ordered.slice(at, at + PORTION));
    return { matched: ids.length, revoked, sessions: shown };
  }

  #find(
    caller: Caller,
    { filter, exceptCurrent, dryRun }: RevokeSessionsRequest & { exceptCurrent: boolean },
  ): Promise<{ ids: string[]; shown: SessionView[] }> {
    return this.database.inOrg(caller, async (tx) => {
      const ids = await findSessions(tx, filter, exceptCurrent ? caller.sessionId : undefined);
      const rows = await readSessions(tx, ids.slice(0, SHOWN));
      await this.audit.append(tx, caller, {
        action: dryRun ? 'session.revocation_tried' : 'session.revoked_in_bulk',
        target: { type: 'organization', id: tx.orgId },
        changes: { ...changesOf(filter), exceptCurrent: { to: exceptCurrent }, count: { to: ids.length } },
      });
      const shown = rows.map((row) => sessionView(sessionFactsOf(row), row.last_seen_at, caller.sessionId));
      return { ids, shown };
    });
  }

  #end(caller: Caller, ids: string[]): Promise<number> {
    return this.database.inOrg(caller, async (tx) => {
      const ended = await revokeThese(tx, ids, REASON);
      await this.audit.appendAll(tx, caller, ended.map(noteOf(REASON)));
      return ended.length;
    });
  }
}

/** A filter that was forgotten must not end everything, nor `all` end what a filter spares. */
function requireMeant({ filter, all = false }: RevokeSessionsRequest): void {
  const isEmpty = Object.values(filter).every((value) => value === undefined);
  if (isEmpty !== all) {
    const message = all ? 'must be empty together with all' : 'must not be empty, unless all is true';
    throw AuthFault.bad_filter({ errors: [{ path: 'filter', message }] });
  }
  if (filter.cidr !== undefined && !isCidr(filter.cidr)) {
    throw AuthFault.bad_filter({ errors: [{ path: 'filter.cidr', message: 'must be in CIDR notation' }] });
  }
}

/** The filter for the record; an address or a user agent may be somebody's. */
function changesOf({ cidr, userAgentContains, ...plain }: SessionFilter): Changes {
  const changes: Changes = {};
  for (const [name, value] of Object.entries(plain) as [string, string | undefined][])
    if (value !== undefined) changes[name] = { to: value };
  if (cidr !== undefined) changes['cidr'] = { to: personal(cidr) };
  if (userAgentContains !== undefined) changes['userAgentContains'] = { to: personal(userAgentContains) };
  return changes;
}
