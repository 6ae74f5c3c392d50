import { Injectable } from '@nestjs/common';
import { Audit, type AuditNote } from '#audit';
import { Database, type OrgTx, type SystemTx } from '#database';
import type { Caller, RequestFacts } from '#kernel';
import { AuthFault } from '../auth.faults.ts';
import { AttemptLimits } from '../limits/attempt-limits.ts';
import { type KeySelection, readKeySecrets, revokeKeys, revokeMadeKeys } from './api-key.store.ts';
import { readApiKey } from './api-key-secret.ts';
import { ApiKeySecrets } from './api-key-secrets.ts';

/** Ends API keys, each with its record, and with them what they made: a key is outlived by no key of its making. */
@Injectable()
export class KeyRevocation {
  constructor(
    private readonly database: Database,
    private readonly audit: Audit,
    private readonly secrets: ApiKeySecrets,
    private readonly limits: AttemptLimits,
  ) {}

  /** Ends the selected keys in a transaction of another use case. Answers how many were selected. */
  end(tx: OrgTx | SystemTx, caller: Caller, selection: KeySelection, reason: string): Promise<number> {
    return this.#end(tx, caller.org.id, selection, reason, (note) => this.audit.append(tx, caller, note));
  }

  /**
   * Ends the key that somebody holds and should not, or no longer. Works for every key that is not revoked, from
   * any address, also while its owner or its organization is suspended. Says nothing of whether there was such a
   * key. Counted by source, as guesses are; a key that was ended so costs nothing. Faults: `auth.not_an_api_key`,
   * `auth.too_many_requests`.
   */
  async report(key: string, facts: RequestFacts): Promise<void> {
    const id = readApiKey(key);
    if (id === undefined) {
      throw AuthFault.not_an_api_key({ errors: [{ path: 'key', message: 'must be an API key' }] });
    }
    const attempt = await this.limits.countSource(facts.ip);
    const row = await this.database.acrossOrgs('api_keys', (tx) => readKeySecrets(tx, id));
    const held =
      row &&
      (await this.secrets.match(key, {
        digest: row.digest,
        pepperId: row.pepper_id,
        previousDigest: row.previous_digest ?? undefined,
        previousPepperId: row.previous_pepper_id,
      }));
    if (!row || held === undefined) return;
    await this.database.acrossOrgs('api_keys', (tx) =>
      this.#end(tx, row.org_id, { id }, 'leaked', (note) =>
        this.audit.record(tx, {
          outcome: 'success',
          ...note,
          orgId: row.org_id,
          // Who it was nobody knows; what they proved is that they hold the key.
          actor: { type: 'api_key', id, apiKeyId: id },
          request: facts,
        }),
      ),
    );
    await attempt.giveBack();
  }

  async #end(
    tx: OrgTx | SystemTx,
    orgId: string,
    selection: KeySelection,
    reason: string,
    record: (note: AuditNote) => Promise<void>,
  ): Promise<number> {
    const note = (id: string, why: string): AuditNote => ({
      action: 'api_key.revoked',
      target: { type: 'api_key', id },
      reason: why,
    });
    const selected = await revokeKeys(tx, orgId, selection, reason);
    for (const id of selected) await record(note(id, reason));
    // Generation by generation: each statement sees the keys that those before were making.
    let makers = selected;
    while (makers.length > 0) {
      makers = await revokeMadeKeys(tx, orgId, makers, 'maker_revoked');
      for (const id of makers) await record(note(id, 'maker_revoked'));
    }
    return selected.length;
  }
}
